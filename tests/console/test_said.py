"""Every kind of entry as a line; whatever a journal holds, the page shows it and does nothing that it says."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cutover.console.rendered import line
from cutover.console.said import GROUPS, said
from cutover.core.journal import Entry

HOSTILE = "</li></ol><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u202e`|"
CUTOVER = Path(__file__).parents[2] / "cutover"


def entry(kind: str, **data: Any) -> Entry:
    return Entry(7, "r1", 1_000_000.0, 1, kind, data, "", "")


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("leg-started", {"direction": "forward", "plan": "cutover", "who": "ann"}, "goes forward, by ann"),
        ("leg-started", {"direction": "back", "plan": "rollback", "who": "ann", "to": "shift-10", "reason": "slow"}, "goes back to the end of shift-10, by ann, slow"),
        ("leg-ended", {"outcome": "stopped", "error": "no answer"}, "ends: stopped: no answer"),
        ("intent", {"step": "s", "before": {"percent": "0.00"}, "after": {"percent": "50.00"}, "seen": {"percent": "0.00"}}, "0 % → 50 %; seen 0 %"),
        ("converged", {"step": "s", "seen": "on", "seconds": 1.25}, "on after 1.2 s"),
        ("converged", {"step": "s", "seen": "on", "seconds": 1, "evidence": {"milliseconds": {"pause": 84.4}}}, "on after 1 s; writes waited 84 ms at the database"),
        ("waiting", {"gate": "g", "verdict": "insufficient", "seen": "3 of 50"}, "insufficient: 3 of 50"),
        ("standing", {"guard": "g", "seen": "7 %", "seconds": 900.0, "then": "rollback"}, "stands still: 7 % (in 15 min: rollback)"),
        ("standing", {"guard": "g", "seen": "7 %", "seconds": None, "then": "hold"}, "stands still: 7 % (until a person decides)"),
        ("standing-ended", {"guard": "g", "outcome": "borne", "who": "ann", "reason": "known"}, "ann says to go on: known"),
        ("guard-failed", {"guard": "g", "seen": "12 %", "policy": "rollback"}, "12 % → rollback"),
        ("of-another-version", {"odd": [1, 2]}, '{"odd": [1, 2]}'),
        ("converged", {"step": "s"}, "{"),
    ],
)  # fmt: skip
def test_the_words_of_an_entry(kind: str, data: dict[str, Any], words: str) -> None:
    found = said(entry(kind, **data)).words
    assert found == words or (words == "{" and found.startswith("{"))


def test_every_kind_that_the_engine_writes_has_a_group() -> None:
    """The kinds are those that the engine's code names where it records."""
    named = {
        kind
        for path in (CUTOVER / "core").glob("*.py")
        for kind in re.findall(r"\brecord\(\s*\"([a-z-]+)\"", path.read_text(encoding="utf-8"))
    }
    known = {kind for kinds in GROUPS.values() for kind in kinds}
    assert len(named) > 20 and named - known <= {"unclaimed"}


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs


def test_no_field_of_any_entry_becomes_an_element() -> None:
    kinds = sorted({kind for kinds in GROUPS.values() for kind in kinds} | {HOSTILE})
    for kind in kinds:
        data: dict[str, Any] = {name: HOSTILE for name in ("step", "gate", "guard", "phase", "plan", "seen", "error", "who", "reason", "outcome", "direction", "before", "after", "verdict", "then", "policy", "wanted", "what", "decision", HOSTILE)}  # fmt: skip
        data |= {"commands": [HOSTILE], "seconds": 1.0}
        html = line(entry(kind, **data))
        found = Elements()
        found.feed(html)
        assert set(found.names) <= {"li", "time", "span", "strong", "details", "summary", "pre"}, kind
        assert not [name for name, _ in found.attributes if name.startswith("on")]
        assert "<script" not in html and "<img" not in html
