"""What was measured, in the report: how near triggers came, shares seen, the customers' pause, and gaps by name."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report.walked import Walked
from usual_figures import USUAL

from cutover.core.clock import Deadline
from cutover.core.gate import Policy
from cutover.core.journal import Entry
from cutover.curves import Curve
from cutover.customers import Pause, Switched, by_time, switches, write_pause
from cutover.metrics.action import Action
from cutover.metrics.parsing import parse
from cutover.metrics.rule import Rule
from cutover.net.ledger import Ledger
from cutover.report import lines
from cutover.report.pages import html, markdown
from cutover.report.shares import by_whom, observed
from cutover.report.svg import Scale, thinned, time_ticks, value_ticks


def rule(name: str, when: str) -> Rule:
    return Rule(name, parse(when, USUAL), Action(Policy.ROLLBACK))


def curve(figure: str, side: str, values: list[float], began: float, step: float = 0.25, **more: Any) -> Curve:
    samples = tuple((began + n * step, value) for n, value in enumerate(values))
    return Curve(figure, side, USUAL[figure].unit, samples, more.get("gap"), more.get("seen", ""))


def judged(when: str, *curves: Curve, baseline: float | None = None) -> dict[str, Any]:
    """What a report of a run that is done says of one trigger."""
    run = done(baseline)
    (one,) = run.report(rules=(rule("it", when),), curves=curves)["triggers"]
    found: dict[str, Any] = one
    return found


def done(baseline: float | None = None) -> Walked:
    run = Walked()
    run.go()
    if baseline is not None:
        first = run.world.store.kept[2]
        data = {"gate": "baseline", "seen": "", "data": {"baseline": {"orders_per_minute": baseline}}, "undoes": []}
        run.world.store.kept.insert(3, Entry(3, first.run, first.at, 1, "passed", data, "", ""))
    return run


def began() -> float:
    return done().view.began - 1.0


FLAT = [1.0] * 80


def test_the_worst_value_is_held_against_its_bound() -> None:
    near = judged("error_rate > 5%", curve("error_rate", "green", [1.0] * 40 + [4.5] + [1.0] * 40, began()))
    (clause,) = near["clauses"]
    assert (clause["worst"], clause["bound"], near["verdict"]) == (4.5, 5.0, "came near")
    assert near["of_bound"] == pytest.approx(0.9) and clause["fixed"] and clause["at"] > began()
    far = judged("error_rate > 5%", curve("error_rate", "green", FLAT, began()))
    assert far["verdict"] == "far from it"
    over = judged("error_rate > 5% for 5m", curve("error_rate", "green", [*FLAT[:40], 8.0, *FLAT], began()))
    assert over["verdict"] == "over its bound, not for long enough"


def test_what_happened_before_it_was_watched_does_not_count() -> None:
    early = judged("error_rate > 5%", curve("error_rate", "green", [99.0] + FLAT, began() - 100.0, step=101.0 / 80))
    assert early["verdict"] != "over its bound, not for long enough"


@pytest.mark.parametrize(
    ("when", "green", "blue", "part"),
    [
        ("p95 > legacy + 100ms", 240.0, 200.0, 0.8),
        ("p95 > 2 x legacy", 300.0, 200.0, 0.75),
        ("cache_hit_rate < 80%", 100.0, 0.0, 0.8),
        ("error_rate > 0", 0.0, 0.0, 0.0),
    ],
)
def test_bounds_of_every_kind_are_come_near_to(when: str, green: float, blue: float, part: float) -> None:
    figure = when.split()[0]
    found = judged(when, curve(figure, "green", [green] * 80, began()), curve(figure, "blue", [blue] * 80, began()))
    assert found["of_bound"] == pytest.approx(part, abs=1e-5), found


def test_a_baseline_is_the_one_that_was_recorded() -> None:
    figures = curve("orders_per_minute", "green", [92.0] * 80, began())
    found = judged("orders_per_minute within 10% of baseline", figures, baseline=100.0)
    assert found["of_bound"] == pytest.approx(0.8) and not found["clauses"][0]["fixed"]
    unknown = judged("orders_per_minute within 10% of baseline", figures)
    assert unknown["of_bound"] is None and "nothing to hold it against" in unknown["clauses"][0]["missing"]


def test_what_cannot_be_said_is_said_by_name() -> None:
    grows = judged("memory grows > 10%/h over 1h", curve("memory", "green", FLAT, began()))
    assert grows["verdict"] == "not known how near" and "grew" in grows["clauses"][0]["missing"]
    nothing = judged("error_rate > 5%", Curve("error_rate", "green", "%", (), "unreachable", "no route"))
    assert nothing["clauses"][0]["missing"] == "unreachable: no route" and nothing["clauses"][0]["bound"] == 5.0
    assert judged("error_rate > 5%")["clauses"][0]["missing"] == "its figure was not read"
    both = judged("error_rate > 5% and p95 > 2s", curve("error_rate", "green", FLAT, began()))
    assert both["of_bound"] is None  # one of the two is not known
    equal = judged("error_rate = 5%", curve("error_rate", "green", FLAT, began()))
    assert "has no single bound" in equal["clauses"][0]["missing"]


def test_clauses_that_were_over_one_after_the_other_never_held_together() -> None:
    early, late = [9.0] * 6 + [1.0] * 74, [1.0] * 6 + [9_000.0] * 74
    found = judged("error_rate > 5% and p95 > 2s", *both(early, late))
    assert found["verdict"] == "each was over, at different times" and found["of_bound"] < 1
    together = judged("error_rate > 5% and p95 > 2s", *both([9.0] * 80, late))
    assert together["verdict"] == "over its bound, not for long enough" and together["of_bound"] >= 1


def both(errors: list[float], p95: list[float]) -> tuple[Curve, Curve]:
    return curve("error_rate", "green", errors, began()), curve("p95", "green", p95, began())


def test_shares_are_seen_by_witnesses_counts_and_figures() -> None:
    shares = [{"host": "shop", "witness": "tagged responses", "blue": 40, "green": 60}, {"blue": 0, "green": 0}]
    kept = [
        Entry(1, "r", 5.0, 1, "passed", {"gate": "share-observed-50", "data": {"shares": shares}}, "", ""),
        Entry(2, "r", 6.0, 1, "passed", {"gate": "compared-50", "data": {"blue": [50, 0], "green": [150, 1]}}, "", ""),
    ]
    rates = [curve("requests", "blue", [30.0, 10.0, 0.0], 0.0), curve("requests", "green", [10.0, 30.0, 0.0], 0.0)]
    found = {name: [one["percent"] for one in seen] for name, seen in by_whom(observed(kept, rates, 0.0, 10.0))}
    assert found == {
        "shop by tagged responses": [60.0],
        "counts of the comparison": [75.0],
        "figure requests": [25.0, 75.0],
    }


def test_sides_that_are_read_at_other_moments_are_compared_with_the_nearest_of_the_other() -> None:
    steady = [50.0] * 40
    rates = [curve("requests", "blue", steady, 0.0, step=15.0), curve("requests", "green", steady, 7.3, step=15.0)]
    rates[1] = replace(rates[1], samples=(*rates[1].samples, (900.0, 50.0)))  # of which blue has nothing near
    found = observed([], rates, 100.0, 1000.0)
    assert {one["percent"] for one in found} == {50.0} and len(found) == 33
    assert min(one["at"] for one in found) >= 100.0 and max(one["at"] for one in found) < 610.0


def test_figures_are_drawn_with_bands_bounds_and_both_sides() -> None:
    run = done()
    values = [1 + math.sin(n / 5) for n in range(80)]
    figures = [curve("error_rate", "blue", FLAT, began()), curve("error_rate", "green", values, began())]
    document = run.report(rules=(rule("errors", "error_rate > 5%"), rule("far", "error_rate > 90%")), curves=figures)
    picture = str(lines.figure(document, "error_rate", 960.0))
    assert picture.count('class="line blue"') >= 2 and picture.count('class="line green"') >= 2
    assert "errors: error_rate &gt; 5%" in picture and "above this picture: far: error_rate &gt; 90% (90%)" in picture
    assert ">window</title>" in picture.replace("1. forward: ", "") and "commitmark" in picture
    assert "blue: 1% to 1%" in picture
    page = markdown(document)
    assert "| 1\\. forward: bake | green |" in page
    assert "errors" in html(document)


def test_no_figures_and_no_ledger_are_named_gaps() -> None:
    run = done()
    page = markdown(run.report(curves_missing="the source is gone", customers_missing="no ledger"))
    assert "*Not known:* No figures: the source is gone." in page
    assert "*Not known:* What customers saw is not known: no ledger." in page
    assert "no witness" in page


def ledger(folder: Path, ends: list[float], failed: int = 0) -> Ledger:
    path = folder / "ledger.jsonl"
    usual = {"kind": "write", "host": "h", "status": 201, "tries": 1, "slow": False, "error": None, "version": "v"}
    rows = [{"at": end - 0.05, "ack": end, "key": str(n), "ok": n >= failed, **usual} for n, end in enumerate(ends)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Ledger(path)


def test_the_customers_pause_is_that_of_each_switch(tmp_path: Path) -> None:
    def entry(at: float, kind: str, step: str, **data: Any) -> Entry:
        return Entry(1, "r", at, 1, kind, {"step": step, **data}, "", "")

    timed = {"evidence": {"milliseconds": {"pause": 90.5}}}
    entries = [
        entry(10.0, "intent", "switchover"),
        entry(12.0, "intent", "switchover"),
        entry(13.0, "converged", "switchover", **timed),
        entry(100.0, "intent", "switchover-undo"),
        entry(101.0, "converged", "switchover-undo"),
    ]
    first, second = switches(entries)
    assert (first.began, first.ended, first.database_ms, first.is_back) == (10.0, 13.0, 90.5, False)
    assert (second.began, second.database_ms, second.is_back) == (100.0, None, True)
    ends = [n / 10 for n in range(50, 115)] + [n / 10 for n in range(119, 200)] + [99.0, 99.5, 101.0]
    kept = ledger(tmp_path, ends, failed=2)
    assert write_pause(kept, first).ms == pytest.approx(500.0)
    assert write_pause(kept, second).ms == pytest.approx(1500.0)
    pieces, missing = by_time(kept, 5.0, 25.0, 10, Deadline.after(10))
    assert missing == "" and sum(one.requests for one in pieces) == 146
    assert sum(one.failed for one in pieces) == 2 and pieces[0].p95_ms == pytest.approx(50.0)


def test_customers_who_come_back_late_paused_for_all_of_that_time(tmp_path: Path) -> None:
    switch = Switched("switchover", 100.0, 100.5, 300.0)
    before, after = [n / 20 for n in range(1900, 2000)], [n / 20 for n in range(2121, 2200)]
    assert write_pause(ledger(tmp_path, before + after), switch).ms == pytest.approx(6100.0)
    assert write_pause(ledger(tmp_path, after), switch).ms == pytest.approx(6050.0)
    assert write_pause(ledger(tmp_path, []), switch) == Pause()
    quiet = [n / 20 for n in range(1600, 1700)]
    steady = [n / 20 for n in range(1900, 2200)]
    assert write_pause(ledger(tmp_path, quiet + steady), switch).ms == pytest.approx(
        50.0
    )  # 85 to 95 s has no part in it


def test_customers_who_did_not_come_back_paused_for_no_known_time(tmp_path: Path) -> None:
    never = write_pause(ledger(tmp_path, [99.0, 99.5]), Switched("switchover", 100.0, 100.5, 300.0))
    assert never == Pause(missing="no write was acknowledged from 00:01:39.5 UTC to 00:02:40.5 UTC")
    document = done().report(customer_pauses=[never])
    assert [one["customers_ms"] for one in document["pauses"]] == [None]
    assert "no write was acknowledged from 00:01:39.5 UTC" in markdown(document)


def test_a_ledger_without_end_ends_the_reading(tmp_path: Path) -> None:
    kept = ledger(tmp_path, [n / 10 for n in range(50, 115)])
    pieces, missing = by_time(kept, 5.0, 25.0, 10, Deadline.after(0))
    assert pieces == [] and "the ledger is long" in missing
    assert (
        by_time(Ledger(tmp_path / "none"), 0.0, 1.0, 10, Deadline.after(1))[1]
        == "the ledger has no request of that time"
    )


@pytest.mark.parametrize("seconds", [0.5, 20.0, 700.0, 9_000.0, 90_000.0, 900_000.0, 9_000_000.0])
def test_an_axis_of_any_length_has_some_ticks_and_not_many(seconds: float) -> None:
    scale = Scale(1_795_760_691.4, 1_795_760_691.4 + seconds, 66.0, 948.0)
    ticks = list(time_ticks(scale))
    assert (1 if seconds > 2 else 0) <= len(ticks) <= 11
    assert all(scale.low <= at <= scale.high for at, _ in ticks)
    assert len({words for _, words in ticks}) == len(ticks)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.0003), (0, 1e9), (95, 105), (-5, 5), (0, 108)])
def test_values_have_round_ticks(low: float, high: float) -> None:
    ticks = value_ticks(low, high)
    assert 2 <= len(ticks) <= 7 and all(low - 1e-9 <= one <= high + 1e-9 for one in ticks)


def test_a_line_of_many_samples_keeps_its_peaks_and_its_holes() -> None:
    samples = [(float(n), 1.0) for n in range(5000)]
    samples[2500] = (2500.0, 99.0)
    samples = samples[:3000] + samples[3500:]
    pieces = thinned(samples, Scale(0.0, 5000.0, 0.0, 300.0))
    assert len(pieces) == 2 and sum(map(len, pieces)) <= 620
    assert max(value for piece in pieces for _, value in piece) == 99.0
