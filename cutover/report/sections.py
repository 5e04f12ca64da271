"""The report's chapters in their order; here those that tell how the run went."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cutover.report import gantt
from cutover.report.blocks import (
    Block,
    Code,
    Facts,
    Fold,
    Picture,
    Section,
    Table,
    Words,
    known,
    milliseconds,
    paused,
    took,
    when,
)
from cutover.report.sections_measured import measured
from cutover.report.sections_people import people
from cutover.run_views import CUTOVER

ANOTHER = (
    "The environment's plan is another one by now: what this run left out, where its writes are and what its way back would "
    "cost is not told."
)
BAD_RESULTS = ("failed", "unexpected", "cut off", "stopped", "interrupted", "failed, noted", "under way", "left")


def sections(document: Mapping[str, Any]) -> list[Section]:
    """Every chapter."""
    return [
        Section("glance", "At a glance", list(_glance(document))),
        Section("timeline", "Timeline", list(_timeline(document))),
        *measured(document),
        *people(document),
        Section("differences", "What differed from the plan", list(_differences(document))),
        Section("cost", "The way back", list(_cost(document))),
        Section("commands", "Commands as executed", list(_commands(document))),
        Section("journal", "Journal", list(_journal(document))),
    ]


def _glance(document: Mapping[str, Any]) -> Iterator[Block]:
    outcome, customers = document["outcome"], document["customers"]
    if outcome["other_plan"]:
        walked = next(leg["digest"] for leg in reversed(document["legs"]) if leg["plan"] == CUTOVER)
        now = outcome["other_plan"]
        yield Words(f"{ANOTHER} It was walked by {walked[:12]}; that of now is {now[:12]}.", "gap")
    ended = when(outcome["ended"]) if outcome["ended"] is not None else f"not yet (written {when(document['written'])})"
    # A run that waits or was stopped can be gone on with: it came to a stand, and to no end.
    stands = outcome["state"] == "open" and not outcome["under_way"]
    facts = [
        ("outcome", outcome["title"]),
        ("began", when(outcome["began"])),
        ("stands since" if stands else "ended", ended),
        ("took", took(outcome["seconds"]) + ("" if outcome["ended"] is not None else " so far")),
        *_later(document),
        ("zone", f"{outcome['zone']}: {ZONES.get(outcome['zone'], '')}" if outcome["zone"] else "not known"),
        ("who", ", ".join(outcome["who"]) or "not recorded"),
        (
            "commit",
            "; ".join(f"{when(one['at'])}: {one['says']}" for one in document["commits"]) or "not passed",
        ),
    ]
    for one in document["pauses"]:
        there, here = paused(one), milliseconds(one["database_ms"])
        facts.append((f"write pause, {one['direction']}", f"{there} for customers, {here} at the database"))
    if customers.get("lost_writes") is not None:
        lost = f"{customers['lost_writes']} of {customers['acknowledged_writes']:,} acknowledged"
        facts.append(("writes lost", f"{lost}, {customers['duplicated_writes']} twice"))
    facts.append(("journal head", document["journal"]["head"]))
    yield Facts(facts)
    for still in outcome["standing"]:
        yield Words(
            f"Stands still since {when(still['at'])}: {still['guard']}: {still['seen']}; then: {still['then']}", "bad"
        )
    for gate, since in outcome["asked"].items():
        yield Words(f"Waits for people since {when(since)}: {gate}", "bad")
    if outcome["open_intent"]:
        yield Words(f"An intent is open: {outcome['open_intent']}. Its commands may have had their effect.", "bad")


def _later(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was walked after the cutover: that is none of its time."""
    for leg in document["legs"]:
        if leg["plan"] != CUTOVER:
            end = f"ended {when(leg['ended'])}: {leg['outcome']}" if leg["ended"] is not None else "not ended"
            yield leg["plan"], f"began {when(leg['began'])}, {end}"


ZONES = {
    "cancel": "nothing is switched",
    "rollback": "the way back is warm",
    "finished": "the way back is gone",
}


def _timeline(document: Mapping[str, Any]) -> Iterator[Block]:
    caption = "Each bar is one phase; what lies in it was waited for: a soak, an answer of people. Times are UTC."
    legs = [leg for leg in document["legs"] if leg["plan"] == CUTOVER]
    yield Picture("Timeline", caption, partial(gantt.overview, document), _phases(legs))
    for leg in document["legs"]:
        if leg not in legs and leg["phases"]:
            yield Picture(f"Timeline of {leg['name']}", caption, partial(gantt.later, document, leg), _phases([leg]))
    for leg in document["legs"]:
        yield _leg(leg)
    for leg, phase, bars in gantt.phase_pictures(document):
        title = f"{leg['name']}: {phase['name']}, {_counted(len(bars))}"
        draw = partial(gantt.one_phase, document, leg, phase, bars)
        caption = "Filled bars are steps, hollow ones gates; what lies in a bar was waited for. Times are UTC."
        yield Fold(
            title, [Picture(title, caption, draw, _items(gantt.items_of(leg, phase)))], phase["name"] == "window"
        )


def _phases(legs: Sequence[Mapping[str, Any]]) -> Table:
    rows, bad = list[Sequence[str]](), set[int]()
    for leg in legs:
        for phase in leg["phases"]:
            budget = took(phase["budget"]) if phase["budget"] else "–"
            ended = phase["ended"]
            seconds = "under way" if ended is None else took(ended - phase["began"])
            rows.append([leg["name"], phase["name"], when(phase["began"]), seconds, budget])
        for wait in leg["waits"]:
            told = "nobody was at work" if wait["kind"] == "nobody" else f"stood still for {wait['about']}"
            bad.add(len(rows))
            ended = wait["ended"]
            seconds = "–" if ended is None else took(ended - wait["began"])
            rows.append([leg["name"], told, when(wait["began"]), seconds, "–"])
    return Table(("leg", "phase", "began", "took", "budget"), rows, frozenset(bad), empty="no phase was entered")


def _counted(number: int) -> str:
    return "1 step or gate" if number == 1 else f"{number} steps and gates"


def _leg(leg: Mapping[str, Any]) -> Words:
    way = "Back" if leg["direction"] == "back" else "Forward"
    where = f" to the end of {leg['to']}" if leg["to"] else f" until {leg['until']}" if leg["until"] else ""
    why = f", because: {leg['reason']}" if leg["reason"] else ""
    end = f"ended {when(leg['ended'])}: {leg['outcome']}" if leg["ended"] is not None else "not ended"
    error = f" ({leg['error']})" if leg["error"] else ""
    resumed = "".join(f"; gone on with by {one['who'] or 'somebody'} at {when(one['at'])}" for one in leg["resumed"])
    complaints = "".join(f"; {one}" for one in leg["complaints"])
    text = f"{way} ({leg['plan']}){where} by {leg['who'] or 'nobody named'}{why}; {end}{error}{resumed}{complaints}."
    well = leg["outcome"] in ("done", "rolled-back", "until", "undone") and not leg["complaints"]
    return Words(text, "" if well else "bad")


def _items(items: Sequence[Mapping[str, Any]]) -> Table:
    rows, bad = list[Sequence[str]](), set[int]()
    for item in items:
        if item["result"] in BAD_RESULTS:
            bad.add(len(rows))
        waits = "; ".join(f"{one['kind']} {_of(one)}" for one in item["waits"])
        rows.append(
            [item["name"], item["kind"], when(item["began"]), took(item["seconds"]), item["result"], waits or "–"]
        )
    head = ("step or gate", "kind", "began", "took", "result", "waited for")
    return Table(head, rows, frozenset(bad), frozenset({0}))


def _of(wait: Mapping[str, Any]) -> str:
    return "not over" if wait["ended"] is None else took(wait["ended"] - wait["began"])


def _differences(document: Mapping[str, Any]) -> Iterator[Block]:
    found = document["differences"]
    slow = [one for one in found["steps"] if one["slow"]]
    over = [one for one in found["phases"] if one["budget"] and one["taken"] and one["taken"] > one["budget"]]
    if not (slow or over or found["events"] or found["not_reached"]):
        unknown = document["outcome"]["other_plan"]
        yield (
            Words("No surprise, and no repeated call.")
            if unknown
            else Words(
                "Nothing: every step took about as long as usual, no call was repeated, nothing was left out.", "good"
            )
        )
    for one in over:
        yield Words(f"Phase {one['phase']} took {took(one['taken'])} of a budget of {took(one['budget'])}.", "bad")
    for one in slow:
        usual = took(one["expected"])
        yield Words(f"{one['name']} took {took(one['taken'])}; usual are {usual}.", "bad")
    if found["events"]:
        rows = [[when(one["at"]), str(one["entry"]), one["kind"], one["seen"]] for one in found["events"]]
        yield Table(("when", "entry", "what", "seen"), rows, code=frozenset({2}))
    if found["skipped"]:
        yield Words("Held already, and was not done again: " + ", ".join(found["skipped"]) + ".")
    if found["not_reached"]:
        rows = [[one["phase"], one["name"]] for one in found["not_reached"]]
        table = Table(("phase", "step or gate"), rows, code=frozenset({1}))
        yield Fold(f"Of the plan never reached: {_counted(len(rows))}", [table])
    yield Fold("Every duration beside what was expected", [_durations(found)])


def _durations(found: Mapping[str, Any]) -> Table:
    rows, bad = list[Sequence[str]](), set[int]()
    for one in found["steps"]:
        if one["slow"]:
            bad.add(len(rows))
        rows.append([str(one["leg"]), one["name"], took(one["taken"]), took(one["expected"]), _most(one["most"])])
    for one in found["gates"]:
        usual = f"soak {took(one['soak'])}" if one["soak"] else "–"
        rows.append([str(one["leg"]), one["name"], took(one["taken"]), usual, _most(one["deadline"])])
    return Table(("leg", "step or gate", "took", "usual", "at most"), rows, frozenset(bad), frozenset({1}))


def _most(seconds: float | None) -> str:
    return "at the first look" if seconds == 0 else took(seconds)


def _cost(document: Mapping[str, Any]) -> Iterator[Block]:
    cost = document["cost"]
    if cost["missing"]:
        yield Words(f"Not known: {cost['missing']}.", "gap")
    elif not cost["steps"]:
        yield Words("Nothing was taken that would have had to be taken back.")
    else:
        count = len(cost["steps"])
        unmeasured = (
            f", {len(cost['unmeasured'])} of them never measured (they count as nothing)" if cost["unmeasured"] else ""
        )
        if cost["taken"] is not None:
            yield Words(f"It was needed, and took {took(cost['taken'])}, with its gates.")
        had = "Its steps alone" if cost["taken"] is not None else "Had it been needed, its steps"
        yield Words(f"{had}: {count}, about {took(cost['seconds'])} by what each last took{unmeasured}.")
        rows = [
            [one["step"], took(one["seconds"]) if one["seconds"] is not None else "never measured"]
            for one in cost["steps"]
        ]
        yield Fold("Its steps, in their order", [Table(("step", "last took"), rows, code=frozenset({0}))])
    if cost["promised_until"] is not None and cost["taken"] is None:
        yield Words(f"It was promised until {when(cost['promised_until'])}.")
    if cost["behind"]:
        yield Table(("database", "blue lacks now", "behind by", "trouble"), [_lag(one) for one in cost["behind"]])
    elif cost["behind_missing"]:
        yield Words(f"What blue lacks now: not known ({cost['behind_missing']}).", "gap")


def _lag(one: Mapping[str, Any]) -> Sequence[str]:
    size = known(None) if one["trouble"] else f"{one['bytes'] / 1e6:.1f} MB"
    return [one["database"] or "the only one", size, took(one["seconds"]), known(one["trouble"])]


def _commands(document: Mapping[str, Any]) -> Iterator[Block]:
    commands = document["commands"]
    if not commands:
        yield Words("None was sent.")
    for number, one in enumerate(commands, 1):
        seconds = f", {took(one['seconds'])}" if one["seconds"] is not None else ""
        note = f"{when(one['at'])}, leg {one['leg']}, entry {one['entry']}: {one['result']}{seconds}"
        parts = [Code(one["step"], note, "\n".join(one["commands"]) or "# nothing was typed")]
        yield Fold(f"{number}. {one['step']}: {one['result']}{seconds}", parts)


def _journal(document: Mapping[str, Any]) -> Iterator[Block]:
    journal = document["journal"]
    yield Facts(
        [
            ("entries", f"{journal['entries']} of this run, number {journal['first']} to {journal['last']}"),
            ("head", journal["head"]),
            ("plan digest", journal["plan_digest"]),
        ]
    )
    yield Words("Whether the journal still is what it was when this was written:")
    command = f"invoke audit verify --env {document['environment']} --head {journal['head']}"
    yield Code("audit", "0: whole, and this head is in it; 1: where it breaks", command)
