"""The chapters of what was measured: traffic, customers, figures, triggers, rows compared."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cutover.metrics.units import TIMES, shown
from cutover.report import lines
from cutover.report.blocks import Block, Fold, Picture, Section, Table, Words, known, milliseconds, paused, took, when
from cutover.report.near import APART
from cutover.report.shares import by_whom
from cutover.report.timeline import ENDS

CAPTION = "Blue is a solid line with dots, green a dashed one with squares; bands are phases, the diamond a point of commit. Times are UTC."
FEWEST = 40  # what was seen less often than this is listed one by one


def measured(document: Mapping[str, Any]) -> list[Section]:
    """All of them, in their order."""
    return [
        Section("traffic", "Traffic", list(_traffic(document))),
        Section("customers", "Customers", list(_customers(document))),
        Section("figures", "Error rate, latency and other figures", list(_figures(document))),
        Section("triggers", "Triggers, and how near they came", list(_triggers(document))),
        Section("validation", "Validation", list(_validation(document))),
    ]


def _traffic(document: Mapping[str, Any]) -> Iterator[Block]:
    asked, seen = document["share"]["asked"], document["share"]["observed"]
    if not asked:
        yield Words("No share was moved.")
    if not seen:
        yield Words(
            "What was observed of it is not known: no witness (`observed`), no comparison and no figure of requests of both sides.",
            "gap",
        )
    if not asked and not seen:
        return
    rows = [[when(one["at"]), one["host"], f"{one['percent']:g} %", "asked"] for one in asked]
    for name, each in by_whom(seen):
        if len(each) < FEWEST:
            rows += [[when(one["at"]), name, _percent(one), "seen"] for one in each]
        else:
            rows += [[when(end), name, told, "seen, mean"] for end, told in _means(document, each)]
    caption = "Percent of the requests on green: steps are what was asked for, marks and dashed lines what was seen. Times are UTC."
    twin = Table(("when", "hostname, or by whom", "share of green", ""), rows)
    yield Picture("Share of green, asked and observed", caption, partial(lines.share, document), twin)


def _percent(one: Mapping[str, Any]) -> str:
    return f"{one['percent']:.1f} %" + (f" of {one['count']:,}" if one["count"] else "")


def _means(document: Mapping[str, Any], each: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    for _, began, ended in _spans(document):
        inside = [one["percent"] for one in each if began <= one["at"] <= ended]
        if inside:
            yield ended, f"{sum(inside) / len(inside):.1f} %, {len(inside)} samples"


def _customers(document: Mapping[str, Any]) -> Iterator[Block]:
    rows = [
        [one["step"], when(one["ended"]), paused(one), milliseconds(one["database_ms"])] for one in document["pauses"]
    ]
    head = ("switch", "ended", "longest time without an acknowledged write", "of it at the database")
    yield Table(head, rows, code=frozenset({0}), empty="The writes were never moved")
    customers = document["customers"]
    if customers["missing"]:
        yield Words(f"What customers saw is not known: {customers['missing']}.", "gap")
        return
    failed, requests = customers["failed"], customers["requests"]
    if requests:
        yield Words(f"{failed:,} of {requests:,} requests of this time failed.", "bad" if failed else "good")
    else:
        yield Words("The ledger has no request of this time.", "gap")
    if customers["lost_writes"] is None:
        yield Words(f"Whether acknowledged writes were lost is not known: {customers['lost_missing']}.", "gap")
    elif not customers["acknowledged_writes"]:
        yield Words("No write was acknowledged since the run began: none can be missing.", "gap")
    else:
        lost, twice = customers["lost_writes"], customers["duplicated_writes"]
        text = f"{lost} of {customers['acknowledged_writes']:,} writes that were acknowledged from the run's begin until this was written are missing on the side that serves, {twice} are there twice."
        yield Words(text, "bad" if lost or twice else "good")
    if customers["incomplete"]:
        yield Words(f"{customers['incomplete']}.", "gap")
    if customers["pieces"]:
        for what, title in (("failed", "Requests that failed"), ("p95_ms", "Time of the answers")):
            draw = partial(lines.customers, document, what)
            yield Picture(
                f"{title}, by the customers' ledger", "Bands are phases. Times are UTC.", draw, _pieces(document)
            )


def _pieces(document: Mapping[str, Any]) -> Table:
    rows = []
    for name, began, ended in _spans(document):
        inside = [one for one in document["customers"]["pieces"] if began <= one["at"] <= ended]
        slowest = max((one["p95_ms"] for one in inside if one["p95_ms"] is not None), default=None)
        failed, requests = sum(one["failed"] for one in inside), sum(one["requests"] for one in inside)
        rows.append([name, f"{requests:,}", f"{failed:,}", "–" if slowest is None else f"{slowest:,.0f} ms"])
    return Table(("phase", "requests", "failed", "worst p95"), rows)


def _figures(document: Mapping[str, Any]) -> Iterator[Block]:
    figures = document["figures"]
    if figures["missing"]:
        yield Words(f"No figures: {figures['missing']}.", "gap")
    for name in sorted(dict.fromkeys(one["figure"] for one in figures["curves"]), key=partial(_importance, document)):
        mine = [one for one in figures["curves"] if one["figure"] == name]
        for one in mine:
            if one["gap"]:
                yield Words(f"{name} of {one['side']}: {one['gap']}: {one['seen']}", "gap")
        if any(figures["since"] <= at <= figures["until"] for one in mine for at, _ in one["samples"]):
            yield Picture(name, CAPTION, partial(lines.figure, document, name), _by_phase(document, mine))


def _importance(document: Mapping[str, Any], name: str) -> tuple[int, str]:
    """Error rates first, then latencies, then what a trigger looks at, then the rest."""
    unit = next(one["unit"] for one in document["figures"]["curves"] if one["figure"] == name)
    watched = any(clause["figure"] == name for one in document["triggers"] for clause in one["clauses"])
    place = 0 if "error" in name and unit == "%" else 1 if unit in TIMES else 2 if watched else 3
    return place, "" if place == 3 else name


def _by_phase(document: Mapping[str, Any], mine: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for name, began, ended in _spans(document):
        for one in mine:
            values = [value for at, value in one["samples"] if began <= at <= ended]
            told = (
                [shown(v, one["unit"]) for v in (min(values), sum(values) / len(values), max(values))] if values else []
            )
            rows.append([name, one["side"], *(told or ["–"] * 3), str(len(values))])
    return Table(("phase", "side", "least", "mean", "most", "samples"), rows)


def _spans(document: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    for leg in document["legs"]:
        for phase in leg["phases"]:
            ended = document["written"] if phase["ended"] is None else phase["ended"]
            yield f"{leg['name']}: {phase['name']}", phase["began"], ended


def _triggers(document: Mapping[str, Any]) -> Iterator[Block]:
    triggers = document["triggers"]
    if not triggers:
        yield Words("The environment has none: they stand under `triggers`.", "gap")
    rows, bad = list[Sequence[str]](), set[int]()
    for one in triggers:
        for clause in one["clauses"]:
            if one["verdict"] in ("started something", "came near", "over its bound, not for long enough", APART):
                bad.add(len(rows))
            rows.append([one["trigger"], clause["clause"], *_worst(clause), one["verdict"]])
    head = ("trigger", "clause", "worst", "bound", "of its bound", "when", "verdict")
    if triggers:
        yield Table(head, rows, frozenset(bad), frozenset({0, 1}))
        for one in triggers:
            for clause in one["clauses"]:
                if clause["of_bound"] is None:
                    yield Words(f"{one['trigger']}, {clause['clause']}: {clause['missing']}", "gap")
    started = [[one["trigger"], *_started(each)] for one in triggers for each in one["started"]]
    started += [[one["guard"], *_started(each)] for one in document["guards"] for each in one["started"]]
    yield Words("What triggers and other guards started in the run:")
    yield Table(("by", "when", "what", "starts", "seen"), started, code=frozenset({0, 2}), empty="Nothing")
    if triggers:
        said = Table(("trigger", "in words"), [[one["trigger"], one["says"]] for one in triggers], code=frozenset({0}))
        yield Fold("The triggers in words", [said])


def _worst(clause: Mapping[str, Any]) -> Sequence[str]:
    unit = clause["unit"]
    bound = "–" if clause["bound"] is None else shown(clause["bound"], unit)
    if clause["of_bound"] is None:
        return "not known", bound, "–", "–"
    return shown(clause["worst"], unit), bound, f"{100 * clause['of_bound']:.0f} %", when(clause["at"])


def _started(one: Mapping[str, Any]) -> Sequence[str]:
    return when(one["at"]), one["kind"], known(one["starts"]), one["seen"]


def _validation(document: Mapping[str, Any]) -> Iterator[Block]:
    rows, bad = list[Sequence[str]](), set[int]()
    for one in document["validation"]:
        if one["verdict"] == "failed" or one["data"].get("warning"):
            bad.add(len(rows))
        data = ", ".join(f"{name} {_counted(value)}" for name, value in one["data"].items() if name != "warning")
        rows.append([one["item"], when(one["at"]), ENDS.get(one["verdict"], one["verdict"]), one["seen"], data])
    head = ("step or gate", "when", "verdict", "seen", "counted")
    yield Table(head, rows, frozenset(bad), frozenset({0}), "No rows were compared in this run")
    checkpoints = document["checkpoints"]
    if checkpoints:
        yield Words("Checkpoints after the switch:")
        told = [
            [took(one["moment"]), when(one["at"]), one["decision"], one["seen"], one["file"]] for one in checkpoints
        ]
        late = frozenset(n for n, one in enumerate(checkpoints) if one["decision"] != "well")
        yield Table(("after", "when", "decision", "seen", "report"), told, late, frozenset({4}))


def _counted(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
