"""The chapters of who said what: approvals, words, and who was told."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.report.blocks import Block, Section, Table, Words, known, when


def people(document: Mapping[str, Any]) -> list[Section]:
    return [
        Section("approvals", "Approvals", list(_approvals(document))),
        Section("people", "Who did what, and who was told", list(_people(document))),
    ]


def _approvals(document: Mapping[str, Any]) -> Iterator[Block]:
    gates = document["approvals"]
    if not gates:
        yield Words("The plan asks for none.")
        return
    rows, bad = list[list[str]](), set[int]()
    for gate in gates:
        wanted = ", ".join(f"{one['role']} ({one['title']})" for one in gate["roles"])
        if gate["state"] in ("waits", "failed"):
            bad.add(len(rows))
        for number, word in enumerate(gate["words"] or [None]):
            first = [gate["gate"], wanted, when(gate["asked"]), gate["state"]] if number == 0 else ["", "", "", ""]
            rows.append([*first, *_word(word)])
    head = ("gate", "asks", "asked", "state", "who", "role", "said", "comment", "when", "in the journal")
    yield Table(head, rows, frozenset(bad), frozenset({0}))


def _word(word: Mapping[str, Any] | None) -> list[str]:
    if word is None:
        return ["–"] * 6
    said = [known(word["who"]), known(word["role"]), word["said"], known(word["comment"])]
    return [*said, when(word["at"]), "yes" if word["recorded"] else "no"]


def _people(document: Mapping[str, Any]) -> Iterator[Block]:
    rows = [[when(one["at"]), known(one["who"]), one["what"], known(one["why"])] for one in document["words"]]
    yield Table(("when", "who", "what", "why"), rows)
    notices = document["notices"]
    if notices["delivered"]:
        counts = ", ".join(f"{channel} {count}" for channel, count in notices["delivered"].items())
        yield Words(f"Messages that arrived, by channel: {counts}.")
    for one in notices["given_up"]:
        yield Words(f"Given up at {when(one['at'])}: {one['channel']}: {one['error']}", "bad")
