"""What legs measured, and which steps they took back, from a journal's entries; and the page that tells of it."""

from typing import Any

from cutover.core.journal import Entry
from cutover.rehearsal import legs, measured
from cutover.rehearsal.legs import BACK, FORWARD, Leg
from cutover.rehearsal.page import page


def entries(*told: tuple[str, dict[str, Any]]) -> list[Entry]:
    return [Entry(n, "r", float(n), 1, kind, data, "", "") for n, (kind, data) in enumerate(told)]


def leg(direction: str) -> tuple[str, dict[str, Any]]:
    return "leg-started", {"direction": direction, "plan": "cutover"}


def took(step: str, seconds: float, *undoes: str) -> tuple[str, dict[str, Any]]:
    return "converged", {"step": step, "seconds": seconds, "undoes": list(undoes)}


def walked(direction: str, phase: str, seconds: float, *pauses: float) -> Leg:
    return Leg(direction, phase, False, seconds, pauses, 100, 0, 0, 200)


JOURNAL = entries(
    leg(FORWARD),
    took("kit", 1.0),
    took("switch", 4.0),
    leg(BACK),
    took("switch-undo", 2.0, "switch"),
    ("skipped", {"step": "kit-undo", "undoes": ["kit"]}),
    leg(FORWARD),
    ("skipped", {"step": "other", "undoes": []}),
    took("kit", 3.0),
)


def test_a_steps_time_is_the_median_of_its_legs_by_direction() -> None:
    found = measured.steps(JOURNAL)
    assert found["kit"] == {"forward": 2.0, "back": None, "legs_forward": 2, "legs_back": 0}
    assert found["switch"] == {"forward": 4.0, "back": 2.0, "legs_forward": 1, "legs_back": 1}
    assert "other" not in found


def test_only_what_a_way_back_moved_or_found_counts_as_taken_back() -> None:
    assert set(legs._undone(JOURNAL, "converged")) == {"switch"}
    assert set(legs._undone(JOURNAL, "skipped")) == {"kit"}


def test_pauses_are_told_by_direction_and_the_way_back_by_its_phase() -> None:
    walk = [
        walked(FORWARD, "bake", 30.0, 900.0),
        walked(BACK, "bake", 8.0, 400.0),
        walked(FORWARD, "bake", 20.0, 1100.0),
    ]
    assert measured.pauses(walk)[FORWARD] == {"count": 2, "median": 1000.0, "worst": 1100.0}
    assert measured.pauses(walk)[BACK]["worst"] == 400.0
    assert measured.rollbacks(walk) == {"bake": 8.0}


def test_nothing_on_the_page_leaves_its_place() -> None:
    hostile = "a|b `c` <script> \n# d"
    document = {
        "environment": "small", "outcome": "failed", "why": hostile, "plan_digest": "d" * 64, "ended": 0.0, "seconds": 90.0,
        "who": hostile, "tool": "0.1.0", "machine": "2 cores", "rows": {"blue": 1000, "tables": 1}, "seed": 1, "scale": 10,
        "compared": 7, "promised": "3 orders", "lost": None, "doubled": None, "undone": [],
        "faults": [{"faults": [hostile], "problems": [hostile], "missed": [hostile], "outcome": hostile, "typed": hostile, "longest_without_a_write": 0.5}],
        "write_pause_ms": measured.pauses([]), "never_undone": [hostile], "found_undone": [], "not_ended_after": [],
        "legs": [{"direction": FORWARD, "phase": hostile, "everything": True, "seconds": 1.0, "pauses_ms": [], "acknowledged": 0}],
        "rollback_seconds": {}, "steps": measured.steps(JOURNAL),
        "not_rehearsed": [{"what": hostile, "why": hostile}],
        "rewritten": [{"path": "a.b", "was": hostile, "now": None, "why": "address"}],
        "schema_file": {"file": hostile, "sha256": "s", "tables": 1, "left_out": [hostile], "empty": {hostile: hostile}},
    }  # fmt: skip
    told = page(document)
    assert "<script" not in told.replace("`a\\|b `c` <script> # d`", "").replace("\\<script", "")
    assert not [line for line in told.splitlines() if line.startswith("# ") and "Rehearsal" not in line]
    (row,) = (line for line in told.splitlines() if line.startswith("| `a.b`"))
    assert row.replace("\\|", "").count("|") == 5
    assert "| Lost, doubled | not known |" in told
