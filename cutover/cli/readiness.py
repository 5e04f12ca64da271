"""What has to be ready before a night begins, beside databases and traffic: runbooks, figures, channels, the waiting period."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cutover.app import App, open_environment
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, Refused
from cutover.core.gate import Check, Finding, Verdict
from cutover.core.plain import span
from cutover.core.series import Gap, Span
from cutover.rehearsal_wanted import finding, rehearse

FRESH = 7 * 86_400.0  # seconds for which the proof of a channel counts
LONG_PAST = 86_400.0  # seconds after the announced time, after which a cutover is another one
ANNOUNCE = "invoke notify.announce"
READ_WITHIN = 20.0
BACK = 20  # steps of a figure that are looked back


@dataclass(frozen=True)
class Ready(Check):
    """What is not ready beforehand is missing at the worst time."""

    ask: Callable[[], Finding]
    command: str

    def look(self) -> Finding:
        try:
            return self.ask()
        except CutoverError as error:
            return Finding.blind(error.message)

    def shell(self) -> str:
        return self.command


def readiness(app: App) -> list[tuple[str, Check]]:
    """Each check with its name; what an environment does not have is not asked."""
    name, words = app.environment.name, app.environment
    checks: list[tuple[str, Check]] = [
        ("runbooks-current", Ready(lambda: _runbooks(app), f"invoke runbook --env {name} --check")),
        ("waiting-period", Ready(lambda: _may_begin(app), f"invoke history --env {name}")),
    ]
    if words.rehearsal.required:
        checks.append(("rehearsed", Ready(lambda: finding(app), rehearse(name))))
    if words.metrics.figures:
        checks.append(("figures-read", Ready(lambda: _figures(app), f"invoke metrics --env {name}")))
    if words.notify.channels:
        checks.append(("channels-proved", Ready(lambda: _channels(app), f"invoke notify.test --env {name}")))
        checks.append(("announced", Ready(lambda: _announced(app), f"{ANNOUNCE} --env {name} --when '…'")))
    return checks


def _runbooks(app: App) -> Finding:
    from cutover.runbook.compose import book_of
    from cutover.runbook.files import stale

    name = app.environment.name
    folder = Path("runbooks") / name
    if not folder.is_dir() and not app.environment.protected:
        return Finding(
            Verdict.PASS, "there are no runbooks to review", f"invoke runbook --env {name}", {"warning": True}
        )
    # As `invoke runbook` opens it: what cannot write has other smoke tests in its plan.
    found = stale(book_of(open_environment(name)), folder)
    if found:
        odd = ", ".join(line.partition("\n")[0] for line in found)
        return Finding.failed(
            f"what was reviewed is not what would be done: {odd}", f"invoke runbook --env {app.environment.name}"
        )
    return Finding.passed("the committed runbooks are what the plan says now")


def _may_begin(app: App) -> Finding:
    from cutover.promises import may_begin
    from cutover.run_views import active

    state = app.recorded()
    if state is None:
        return Finding.passed("no run before this one")
    try:
        if active(state) is not None:
            return Finding.passed("a run is open, and can be gone on with")
        may_begin(app, state)
    except Refused as refused:
        return Finding.failed(refused.message, refused.next_command)
    finally:
        state.close()
    return Finding.passed("nothing keeps a new run from beginning")


def _figures(app: App) -> Finding:
    from cutover.figures import Figures

    figures, now = Figures(app.means, writes=False), time.time()
    steps = {asked: figures.one(*asked).step for asked in figures.asked}
    read = figures.read_all(
        {asked: Span(now - BACK * step, now, step) for asked, step in steps.items()}, Deadline.after(READ_WITHIN)
    )
    odd = [f"{name} on {side}: {one.gap.value}: {one.seen}" for (name, side), one in read.items() if one.gap]
    if odd and all(one.gap in (None, Gap.UNREACHABLE) for one in read.values()):
        return Finding.blind("; ".join(odd), f"invoke metrics --env {app.environment.name}")
    if odd:
        return Finding.failed("; ".join(odd), f"invoke metrics --env {app.environment.name}")
    return Finding.passed(f"{len(read)} figures were read")


def _channels(app: App) -> Finding:
    from cutover.notify.proof import proofs

    state = app.state()
    try:
        known = proofs(state)
    finally:
        state.close()
    odd = [said for name in app.environment.notify.channels if (said := _unproved(name, known.get(name)))]
    if odd:
        return Finding.failed("; ".join(odd), f"invoke notify.test --env {app.environment.name}")
    return Finding.passed(f"{len(app.environment.notify.channels)} channels delivered a test message")


def _announced(app: App) -> Finding:
    """A cutover that mends something is not announced: that nobody has heard of it is to be known, and stops nothing."""
    from cutover.channels import desk_of
    from cutover.notify.announced import announced, unheard

    desk, name = desk_of(app), app.environment.name
    state = app.recorded()
    try:
        told = announced(state, name) if state is not None else []
        if state is None or not told:
            return _warned("nobody was told of a planned time", f"{ANNOUNCE} --env {name} --when '…'")
        last = told[-1]
        if left := unheard(state, desk, last):
            return _warned(f"{', '.join(left)} has not heard of {last.moment}", f"invoke notify.send --env {name}")
    finally:
        if state is not None:
            state.close()
    if time.time() - last.when > LONG_PAST:
        return _warned(f"what was announced last was {last.moment}", f"{ANNOUNCE} --env {name} --when '…'")
    return Finding.passed(f"announced for {last.moment} by {last.who}")


def _warned(seen: str, hint: str) -> Finding:
    return Finding(Verdict.PASS, seen, hint, {"warning": True, "remarks": [{"seen": seen, "mend": hint}]})


def _unproved(name: str, proof: object) -> str:
    if not isinstance(proof, dict):
        return f"{name} was never tried"
    if proof.get("error"):
        return f"{name} failed: {proof['error']}"
    age = time.time() - float(proof["at"])
    return f"{name} was tried {span(age)} ago" if age > FRESH else ""
