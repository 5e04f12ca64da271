"""What is kept of a rollback while its sources still have it: every figure, and what green logged, in bounded time."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.aws.log_tail import LogTail
from cutover.bounded import at_the_same_time
from cutover.core.back import UNDO
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.journal import Entry, Leg
from cutover.core.redaction import Redaction
from cutover.curves import Curve, curves
from cutover.environment import FileOfLog, GroupOfLogs, JsonLinesSource
from cutover.metrics.log_excerpt import Unread, excerpt
from cutover.metrics.units import shown
from cutover.plans.means import Means
from cutover.plans.permitted import references
from cutover.run_views import RunView

SCHEMA = "cutover.incident/1"
WITHIN = 15.0  # seconds that all of it may take together: whoever went back waits for it
GRACE = 4.0  # seconds after that in which what is late may still say why
LONGEST = 500  # characters of a line of a log
AFTER = 30.0  # seconds after the verdict up to which logs are read
FAILING = ("failed", "guard-failed", "standing", "command-failed", "unexpected", "overrun")


def way_back(view: RunView) -> Leg | None:
    """The last way back of a run that was not the undoing of a window, nor only to an earlier phase."""
    legs = reversed(view.position.legs)
    return next((leg for leg in legs if leg.direction == "back" and leg.cause != UNDO and not leg.to), None)


def record(
    means: Means, view: RunView, *, now: Callable[[], float] = time.time, within: float = WITHIN
) -> dict[str, Any]:
    """Figures and logs from some minutes before the failing verdict to the rollback's end, as one document.

    A source that hangs or is dead is a named gap. Raises LookupError for a run that was not taken back.
    """
    leg = way_back(view)
    if leg is None:
        raise LookupError(f"run {view.run} was not taken back")
    words = means.environment.incidents
    verdict = _verdict(view.entries, leg)
    ended = (entry.at for entry in view.entries if entry.seq > leg.seq and entry.kind == "leg-ended")
    since, until = verdict - words.before, max(next(ended, now()), verdict + 1.0)
    work = _Work(means, since, verdict, until, Deadline.after(within))
    asked: dict[str, Callable[[], Any]] = {"figures": work.figures, "hidden": work.hidden}
    asked |= {f"log {name}": read for name, read in work.logs()}
    found = at_the_same_time(asked, within + GRACE)
    figures, hidden = found["figures"], found["hidden"]
    return {
        "schema": SCHEMA,
        "environment": means.environment.name,
        "run": view.run,
        "taken": now(),
        "verdict": verdict,
        "since": since,
        "until": until,
        "figures": figures if isinstance(figures, list) else [],
        "figures_missing": "" if isinstance(figures, list) else str(figures),
        "logs": [
            _log(name.removeprefix("log "), told, hidden, words.lines)
            for name, told in found.items()
            if name.startswith("log ")
        ],
    }


def figure_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Each figure in a line; a gap is named, and what there was is said all the same."""
    if document["figures_missing"]:
        yield f"no figure was read: {document['figures_missing']}"
    for one in document["figures"]:
        what = f"{one['figure']} of {one['side']}"
        numbers = ""
        if one["samples"]:
            values = ", ".join(f"{word} {shown(one[word], one['unit'])}" for word in ("min", "mean", "max", "last"))
            numbers = f"{values} ({len(one['samples'])} samples)"
        gap = f"{one['gap']}: {one['seen']}" if one["gap"] else ""
        yield f"{what}: " + "; ".join(part for part in (numbers, gap) if part)


def log_excerpts(document: Mapping[str, Any], most: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Each log's title, and its last `most` lines around the verdict."""
    for one in document["logs"]:
        shown = one["lines"][-most:]
        of = f", the last {len(shown)} of {len(one['lines'])} lines" if len(shown) < len(one["lines"]) else ""
        yield f"{one['log']}{': ' if one['gap'] else ''}{one['gap']}{of}", shown


def _verdict(entries: Sequence[Entry], leg: Leg) -> float:
    """When something was found wrong that the way back followed; its begin where nothing was, because a person went back."""
    before = [entry for entry in entries if entry.seq < leg.seq]
    begun = max((entry.seq for entry in before if entry.kind == "leg-started"), default=0)
    failing = [entry for entry in before if entry.seq > begun and _fails(entry)]
    if not failing:
        return leg.at
    guard = failing[-1].data.get("guard")
    stood = (entry.at for entry in reversed(failing) if entry.kind == "standing" and entry.data.get("guard") == guard)
    return next(stood, failing[-1].at) if guard else failing[-1].at


def _fails(entry: Entry) -> bool:
    return entry.kind in FAILING and entry.data.get("policy") != "notify"


@dataclass(frozen=True)
class _Work:
    """What is read, each in a thread of its own."""

    means: Means
    since: float
    verdict: float
    until: float
    deadline: Deadline = field(repr=False)

    def figures(self) -> list[dict[str, Any]]:
        return [_figure(one) for one in curves(self.means, self.since, self.until, self.deadline)]

    def hidden(self) -> Redaction:
        """Raises where a secret of AWS cannot be read: nobody could tell whether a line holds it."""
        values = []
        for ref in references(self.means.environment):
            try:
                if ref.kind != "literal":
                    values.append(self.means.value_of(ref)())
            except CutoverError:
                if ref.kind not in ("env", "file"):
                    raise
                # What this process does not have, it has given to nobody.
        return Redaction.of(values)

    def logs(self) -> Iterator[tuple[str, Callable[[], tuple[Sequence[str], str]]]]:
        environment = self.means.environment
        for name, words in environment.incidents.logs.items():
            match words:
                case FileOfLog():
                    yield name, self._file(words.path, words.time)
                case GroupOfLogs():
                    yield name, self._group(words.name)
        for name, source in environment.metrics.sources.items():
            if isinstance(source, JsonLinesSource):
                yield f"{name} (green)", self._file(source.green, source.time)

    def _file(self, path: str, time_field: str) -> Callable[[], tuple[Sequence[str], str]]:
        def read() -> tuple[Sequence[str], str]:
            most = self.means.environment.incidents.lines
            try:
                found = excerpt(path, time_field, self.since, self.verdict + AFTER, most, self.deadline)
            except Unread as error:
                return (), str(error)
            return found.lines, found.note

        return read

    def _group(self, name: str) -> Callable[[], tuple[Sequence[str], str]]:
        def read() -> tuple[Sequence[str], str]:
            tail = LogTail(aws=self.means.aws, group=name)
            most = self.means.environment.incidents.lines
            lines, why = tail.between(self.since, self.verdict + AFTER, most, self.deadline)
            return lines, why or ("" if lines else "no line of that time")

        return read


def _figure(curve: Curve) -> dict[str, Any]:
    values = curve.values
    return {
        "figure": curve.figure,
        "side": curve.side,
        "unit": curve.unit,
        "min": min(values) if values else None,
        "mean": sum(values) / len(values) if values else None,
        "max": max(values) if values else None,
        "last": values[-1] if values else None,
        "gap": curve.gap,
        "seen": curve.seen,
        "samples": [list(one) for one in curve.samples],
    }


def _log(name: str, told: Any, hidden: Any, most: int) -> dict[str, Any]:
    if not isinstance(told, tuple):
        return {"log": name, "lines": [], "gap": str(told)}
    lines, gap = told
    if not isinstance(hidden, Redaction):
        return {"log": name, "lines": [], "gap": f"left out, because what has to be hidden is not known: {hidden}"}
    pieces = [piece for line in lines for piece in line.splitlines()]
    return {"log": name, "lines": [hidden.line(piece, LONGEST) for piece in pieces[-most:]], "gap": gap}
