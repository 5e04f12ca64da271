"""The post-mortem file: from the journal and what was captured, always the same, no value out of its place, never overwritten."""

import stat
from pathlib import Path
from typing import Any

from cutover.core.journal import Entry
from cutover.runbook.incident import incident, place, start


def journal(*kinds: tuple[str, dict[str, Any]]) -> list[Entry]:
    return [Entry(n, "r1", 1_700_000_000.0 + n, 1, kind, data, "", "") for n, (kind, data) in enumerate(kinds, 1)]


ENTRIES = journal(
    ("leg-started", {"direction": "forward", "plan": "cutover", "who": "ann"}),
    ("converged", {"step": "switchover", "seen": "x", "evidence": {"milliseconds": {"pause": 412.4}}}),
    ("failed", {"gate": "soak-50", "seen": "errors | 7 % <b>", "hint": ""}),
    ("leg-started", {"direction": "back", "plan": "rollback", "cause": "policy", "reason": "soak-50: *7 %*", "who": "ann"}),
    ("leg-ended", {"outcome": "rolled-back"}),
)  # fmt: skip


def page(**more: Any) -> str:
    return incident("prod", ENTRIES, waiting_period=604_800.0, **more)


def test_it_says_who_why_what_and_until_when() -> None:
    text = page(metrics=["p95: 2 s"], answers=["soak: 7 %"], users="We are back.")
    assert "due 2023-11-15 22:13:25 UTC" in text and "not before 2023-11-21 22:13:25 UTC" in text
    assert "| Writes were refused for | 412 ms (switchover) |" in text and "We are back." in text
    assert "| Who went back | ann |" in text and "- p95: 2 s" in text and "- soak: 7 %" in text
    assert "\n- soak-50; seen: errors &#124; 7 % \\<b\\>\n" in text
    assert "soak-50: \\*7 %\\*" in text
    assert len([line for line in text.split("\n") if line.startswith("| 2023-")]) == len(ENTRIES)
    assert page() == page()


def test_a_log_stays_in_its_block_whatever_it_says() -> None:
    text = page(logs=[("app: *the last* 2", ["```", "## boom"]), ("empty: unreachable", [])], record="r.json")
    assert "\napp: \\*the last\\* 2\n\n````text\n```\n## boom\n````\n\nempty: unreachable\n" in text
    assert "are kept in `r.json`" in text


def test_what_was_edited_is_left_alone(tmp_path: Path) -> None:
    path = place(tmp_path / "incidents", "r1", ENTRIES[3].at)
    assert path == tmp_path / "incidents" / "2023-11-14-r1.md"
    assert start(path, page()) and path.read_text(encoding="utf-8") == page()
    path.write_text("mine", encoding="utf-8")
    assert not start(path, page())
    assert path.read_text(encoding="utf-8") == "mine" and [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert start(tmp_path / "r.json", "{}", mode=0o600)
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o600
