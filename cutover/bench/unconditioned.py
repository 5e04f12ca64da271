"""How long a write that AWS cannot condition lies between the lease's answer and the bytes leaving: the gap that remains."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.aws.session import Aws
from cutover.bench.figures import BenchFailed, Line, Reference, Spread
from cutover.bench.local_aws import local_aws
from cutover.core.clock import Deadline
from cutover.state.sqlite import SqliteState

SENT = "http.client.send"  # CPython's audit event, raised just before the bytes are given to the socket
LONGEST = 20.0  # seconds that one call may take


@dataclass
class Seen:
    """The moments of one call, and of all calls the spans in milliseconds."""

    asked: float = 0.0
    answered: float = 0.0
    left: float = 0.0
    asking: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def unconditioned(calls: int, say: Callable[[str], None]) -> Iterator[Line]:
    """ModifyListener at an AWS endpoint of its own, under a lease in SQLite, one call after another."""
    say(f"an AWS endpoint, {calls} calls")
    seen = Seen()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(local_aws(folder))
        store = SqliteState(folder / "journal.sqlite")
        stack.callback(store.close)
        lease = store.acquire(who="bench", operation="bench")

        def may_write() -> None:
            seen.asked = time.perf_counter()
            store.check(lease)
            seen.answered, seen.left = time.perf_counter(), 0.0

        aws = Aws("us-east-1", may_write=may_write)
        call = _listener(aws)
        with _sends(seen):
            call()  # the connection is open from here on, as in a run
            for _ in range(calls):
                call()
                if seen.left < seen.answered:
                    raise BenchFailed("a call left without being seen, or before the lease was asked for")
                seen.asking.append((seen.answered - seen.asked) * 1000)
                seen.gaps.append((seen.left - seen.answered) * 1000)
                seen.whole.append((time.perf_counter() - seen.answered) * 1000)
    beside = (Reference("asking for the lease", Spread.of(seen.asking)),)
    yield Line("write without a condition: the lease's answer to the bytes leaving", Spread.of(seen.gaps), beside,
               seen=f"{calls} ModifyListener, local endpoint, lease in SQLite")  # fmt: skip
    yield Line("write without a condition: the lease's answer to AWS's", Spread.of(seen.whole), beside,
               seen="within which AWS has acted; of a real AWS its own time and the way there come on top")  # fmt: skip


def _listener(aws: Aws) -> Callable[[], Any]:
    def ask(operation: str, **words: Any) -> dict[str, Any]:
        return aws.call("elbv2", operation, Deadline.after(LONGEST), **words)

    balancer = ask("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    listener = ask("DescribeListeners", LoadBalancerArn=balancer)["Listeners"][0]
    arn, actions = listener["ListenerArn"], listener["DefaultActions"]
    return lambda: ask("ModifyListener", ListenerArn=arn, DefaultActions=actions)


_watching: list[Seen] = []
_hooked: list[bool] = []


@contextmanager
def _sends(seen: Seen) -> Iterator[None]:
    """An audit hook stays for as long as the process lives: it is added once, and looks away when nobody measures."""
    if not _hooked:
        sys.addaudithook(_heard)
        _hooked.append(True)
    _watching.append(seen)
    try:
        yield
    finally:
        _watching.remove(seen)


def _heard(event: str, _: tuple[object, ...]) -> None:
    if event == SENT and _watching:
        _watching[-1].left = time.perf_counter()
