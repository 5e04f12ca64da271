"""Opens the sources of one environment, and reads its figures: several at the same time, under one deadline."""

import base64
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from cutover.aws.permission import Permission
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Reading, Source, Span
from cutover.core.watch import reason
from cutover.environment import (
    CloudWatchSource,
    CommandSource,
    CostExplorerSource,
    JsonLinesSource,
    PostgresSource,
    ProbeSource,
    PrometheusSource,
    RedisSource,
)
from cutover.environment.measured import AnySource
from cutover.metrics.kept import Kept
from cutover.metrics.prometheus import Prometheus
from cutover.metrics.spending import Spending, estimated
from cutover.plans.means import Means

AT_ONCE = 16  # figures that are read at the same time
GRACE = 3.0  # seconds after the deadline in which a source may still say that its time ran out

Asked = tuple[str, str]
"""A figure's name, and the side."""


@dataclass(frozen=True)
class OpenFigure:
    """One figure of one side, wired: what is asked of which source."""

    source: Source
    query: str
    unit: str
    step: float


class Figures:
    """The figures of an environment; opening it connects to nothing.

    `writes` is False where nothing may be kept on this machine: figures without a memory of their own then have one sample.
    """

    def __init__(self, means: Means, *, writes: bool = True) -> None:
        self._open: dict[Asked, OpenFigure] = {}
        words = means.environment.metrics
        self._cost = words.cost
        wired: dict[tuple[str, str], Source] = {}
        for name, figure in words.figures.items():
            for side in figure.sides:
                place = (figure.source, side)
                if place not in wired:
                    wired[place] = _wired(means, figure.source, words.sources[figure.source], side, writes)
                query = words.query(name, side)
                self._open[name, side] = OpenFigure(wired[place], query, words.unit(name), words.step(name))

    @property
    def asked(self) -> Sequence[Asked]:
        """Every figure and side, in the order of the environment."""
        return tuple(self._open)

    def one(self, name: str, side: str) -> OpenFigure:
        """Raises KeyError for a figure that there is not, or not of that side."""
        return self._open[name, side]

    def read(self, name: str, side: str, span: Span, deadline: Deadline) -> Reading:
        """The samples of one figure; trouble is a reading with a gap, never an exception. Raises KeyError as `one` does."""
        figure = self.one(name, side)
        try:
            return figure.source.read(figure.query, span, deadline)
        except CutoverError as error:
            return Reading.unreachable(error.message)
        except Exception as error:  # noqa: BLE001 - an adapter's leak must end as a reading, or what watches would stop
            return Reading.unreachable(reason(error))

    def read_all(self, wanted: Mapping[Asked, Span], deadline: Deadline) -> dict[Asked, Reading]:
        """All of these at the same time; one that has not answered a little after the deadline is unreachable."""
        for name, side in wanted:
            self.one(name, side)
        todo: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[Asked, Reading]] = queue.SimpleQueue()
        for asked in wanted:
            todo.put(asked)

        def work() -> None:
            while True:
                try:
                    asked = todo.get_nowait()
                except queue.Empty:
                    return
                done.put((asked, self.read(*asked, wanted[asked], deadline)))

        # Not a pool: it waits at the end for whatever hangs, and a name server that is silent cannot be ended.
        for _ in range(min(AT_ONCE, len(wanted))):
            threading.Thread(target=work, name="figures", daemon=True).start()
        found: dict[Asked, Reading] = {}
        late = Deadline(deadline.clock, deadline.at + GRACE)
        while len(found) < len(wanted):
            try:
                asked, reading = done.get(timeout=max(0.001, late.remaining()))
            except queue.Empty:
                break
            found[asked] = reading
        return {asked: found.get(asked) or Reading.unreachable("no answer before the deadline") for asked in wanted}

    @property
    def priced(self) -> bool:
        """Whether the environment has prices."""
        return bool(self._cost.hourly or self._cost.used)

    def spending(self, since: float, until: float, deadline: Deadline) -> Spending:
        """What this time cost, by the environment's prices, as an estimate from what both sides used in it."""
        words = self._cost
        wanted = {
            (name, side): Span(since, until, self.one(name, side).step)
            for name, side in self.asked
            if name in words.used
        }
        read = self.read_all(wanted, deadline)
        used = {f"{name} of {side}": (reading, words.used[name]) for (name, side), reading in read.items()}
        return estimated(until - since, words.hourly, used)

    def permissions(self) -> Iterable[Permission]:
        """What AWS has to allow."""
        from cutover.aws.cost import SpentByDay
        from cutover.aws.metric_source import CloudWatchFigures

        for figure in self._open.values():
            if isinstance(figure.source, CloudWatchFigures | SpentByDay):
                yield from figure.source.permissions()


def _wired(means: Means, name: str, words: AnySource, side: str, writes: bool) -> Source:
    """One source for one side; those without a memory get one."""
    match words:
        case PrometheusSource():
            return prometheus_of(means, words)
        case CloudWatchSource():
            from cutover.aws.metric_source import CloudWatchFigures

            region = words.region or means.aws.region
            return CloudWatchFigures(
                means.aws if region == means.aws.region else replace(means.aws, region=region), words.delay
            )
        case CostExplorerSource():
            from cutover.aws.cost import SpentByDay

            return SpentByDay(means.aws, words.delay)
        case JsonLinesSource():
            from cutover.metrics.json_lines import JsonLines

            return JsonLines(words.blue if side == "blue" else words.green, words.time, words.delay)
        case PostgresSource():
            from cutover.postgres.metric_source import SqlFigures

            pair = next((one for one in means.pairs if one.name == (words.database or "")), means.pairs[0])
            source: Source = SqlFigures(pair.blue if side == "blue" else pair.green)
        case RedisSource():
            from cutover.metrics.redis import RedisFigures

            address = words.blue if side == "blue" else words.green
            source = RedisFigures(
                means.value_of(address),
                means.shell_of(address),
                words.user,
                None if words.password is None else means.value_of(words.password),
                "" if words.password is None else means.shell_of(words.password),
                words.tls,
                words.ca,
            )
        case ProbeSource():
            from cutover.metrics.probe import Probe

            address = words.blue if side == "blue" else words.green
            source = Probe(means.value_of(address), means.shell_of(address), words.ca)
        case CommandSource():
            from cutover.machine.metric_source import CommandFigures

            refs = words.variables
            source = CommandFigures(
                lambda: {variable: means.value_of(ref)() for variable, ref in refs.items()},
                {variable: means.shell_of(ref) for variable, ref in refs.items()},
            )
        case _:
            assert_never(words)
    return Kept(source, means.file(f"metrics/{name}-{side}")[0], writes=writes)


def prometheus_of(means: Means, words: PrometheusSource) -> Prometheus:
    """The server of a source; nothing is connected."""
    value, shell = _authorization(means, words)
    return Prometheus(means.value_of(words.url), means.shell_of(words.url), value, shell, words.ca, words.delay)


def _authorization(means: Means, words: PrometheusSource) -> tuple[Callable[[], str] | None, str]:
    """The header's value, and the same as a word of bash."""
    if words.token is not None:
        token = means.value_of(words.token)
        return lambda: f"Bearer {token()}", f'"Bearer "{means.shell_of(words.token)}'
    if words.user is None or words.password is None:
        return None, ""
    user, password = words.user, means.value_of(words.password)
    shell = f"\"Basic $(printf '%s:%s' {user} {means.shell_of(words.password)} | base64 -w 0)\""
    return lambda: f"Basic {base64.b64encode(f'{user}:{password()}'.encode()).decode()}", shell
