"""A rehearsal's record as a page for people."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover.core.plain import span
from cutover.runbook.markdown import cell, code, prose

LONGEST = 100  # characters of a rewritten word


def page(document: Mapping[str, Any]) -> str:
    """The record in Markdown."""
    return "\n".join(_lines(document)) + "\n"


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    ended = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(one["ended"]))
    yield f"# Rehearsal of {code(one['environment'])}"
    yield ""
    yield "Written by `invoke rehearse`; [rehearsal.json](rehearsal.json) has all of it. It counts for this plan only."
    yield ""
    yield from _table(("", ""), _head(one, ended))
    yield from ("", "## Legs", "")
    rows = [
        (_way(leg), f"{leg['seconds']:.1f} s", _ms(max(leg["pauses_ms"], default=None)), str(leg["acknowledged"]))
        for leg in one["legs"]
    ]
    yield from _table(("Leg", "Time", "Writes paused", "Writes acknowledged"), rows)
    yield from ("", "## Way back", "", "Seconds from the command to blue, by the phase at whose end it was typed.", "")
    yield from _table(("Phase", "Way back"), [(code(n), f"{s:.1f} s") for n, s in one["rollback_seconds"].items()])
    if one["faults"]:
        yield from (
            "",
            "## Under faults",
            "",
            "A fault is named with the place at which it came (`invoke faults` lists both).",
            "",
        )
        yield from _table(("Faults", "What became of it", "Typed", "Longest without a write"), _faults(one["faults"]))
    yield from ("", "## Steps", "", "Medians of the legs in which the step was taken whole.", "")
    times = [
        (
            code(name),
            _seconds(took["forward"]),
            str(took["legs_forward"]),
            _seconds(took["back"]),
            str(took["legs_back"]),
        )
        for name, took in one["steps"].items()
    ]
    yield from _table(("Step", "Forward", "Legs", "Back", "Legs"), times)
    yield from ("", "## Not rehearsed", "")
    yield from _table(("What", "Why, and what stood for it"), [(w["what"], w["why"]) for w in one["not_rehearsed"]])
    yield from ("", "## Words that were others in the twin", "", "All other words are the environment's own.", "")
    words = [(code(w["path"]), _short(w["was"]), _short(w["now"]), w["why"]) for w in one["rewritten"]]
    yield from _table(("Word", "Here", "In the twin", "Why"), words)
    yield from _schema(one["schema_file"])


def _head(one: Mapping[str, Any], ended: str) -> Iterator[tuple[str, str]]:
    yield "Outcome", one["outcome"] + (f": {one['why']}" if one["why"] else "")
    yield "Plan digest", code(one["plan_digest"])
    yield "Ended", f"{ended}, by {one['who']}, after {span(round(one['seconds']))}"
    yield "Tool and machine", f"cutover {one['tool']}; {one['machine']}"
    yield "Rows", f"{one['rows']['blue']:,} in {one['rows']['tables']} tables, seed {one['seed']}, scale {one['scale']}"
    yield "Compared with the real plan", f"{one['compared']} phases, items and guards: no other difference than below"
    yield "Promised and found again", one["promised"]
    yield "Lost, doubled", "not known" if one["lost"] is None else f"{one['lost']}, {one['doubled']}"
    for direction, words in (("forward", "Write pause, forward"), ("back", "Write pause, back")):
        pause = one["write_pause_ms"][direction]
        yield words, f"median {_ms(pause['median'])}, worst {_ms(pause['worst'])}, of {pause['count']}"
    undone = f"{len(one['undone'])} steps"
    yield (
        "Taken back at least once",
        undone + (f"; never: {', '.join(one['never_undone'])}" if one["never_undone"] else ""),
    )
    if one["found_undone"]:
        yield "Found at their beginning by the way back", ", ".join(one["found_undone"])
    yield "Faults survived", survived(one["faults"])
    if one["not_ended_after"]:
        yield "No way back from the end of", f"{', '.join(one['not_ended_after'])}: a run does not stop there"


def survived(found: Sequence[Mapping[str, Any]]) -> str:
    """How many of the faults that came were survived, in words."""
    if not found:
        return "none was made"
    came = [len(one["faults"]) - len(one["missed"]) for one in found]
    well = sum(count for count, one in zip(came, found, strict=True) if not one["problems"])
    missed = [name for one in found for name in one["missed"]]
    never = f"; their place was never reached: {', '.join(missed)}" if missed else ""
    return f"{well} of {sum(came)} that came, with nothing lost and nothing doubled{never}"


def _faults(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    for one in found:
        became = f"NOT SURVIVED: {'; '.join(one['problems'])}" if one["problems"] else one["outcome"]
        yield ", ".join(one["faults"]), became, one["typed"], f"{one['longest_without_a_write']:.2f} s"


def _schema(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    yield from ("", "## Schema", "")
    yield from _table(
        ("", ""), [("File", found["file"]), ("sha256", code(found["sha256"])), ("Tables", str(found["tables"]))]
    )
    if found["left_out"]:
        yield from ("", *(f"- {prose(one)}" for one in found["left_out"]))
    if found["empty"]:
        yield from ("", "These tables stayed empty:", "")
        yield from _table(("Table", "Why"), [(code(name), why) for name, why in found["empty"].items()])


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell(one) for one in row) + " |"


def _way(leg: Mapping[str, Any]) -> str:
    more = ", standing work too" if leg["everything"] else ""
    way = "forward to the end of" if leg["direction"] == "forward" else "back from the end of"
    return f"{way} {leg['phase']}{more}"


def _short(value: Any) -> str:
    text = "–" if value is None else str(value)
    return code(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"
