"""Faults in the twin: at which places of the environment's own plan they come, and which are asked for."""

from dataclasses import replace
from pathlib import Path

import pytest
import worked_environment

from cutover.app import open_environment
from cutover.core.plan import Plan
from cutover.faults.catalogue import FAULTS
from cutover.faults.fault import BARE
from cutover.faults.trial import Result
from cutover.rehearsal.page import survived
from cutover.rehearsal.under_faults import ONLY_THERE, before_traffic, documents, first_soak, places_of, wanted

COMMITTED = Path(__file__).parents[2] / "environments"


def test_a_run_stops_where_the_plan_lets_it(tmp_path: Path) -> None:
    (tmp_path / "worked.yaml").write_text(worked_environment.WORDS, encoding="utf-8")
    worked = open_environment("worked", read_only=True, directory=tmp_path).plan
    assert (before_traffic(worked), first_soak(worked)) == ("work", "soak-100")
    assert before_traffic(open_environment("prod", read_only=True, directory=COMMITTED).plan) == "window"


@pytest.fixture(scope="module")
def prod() -> Plan:
    return open_environment("prod", read_only=True, directory=COMMITTED).plan


def test_places_are_those_of_the_plan(prod: Plan) -> None:
    found = places_of(prod)
    assert found["shift-50"] == "before command traffic-shop-5:0"
    assert found["shift-100"] == "before command traffic-api-100:0"
    assert found["back-shift"].startswith("before command traffic-api-") and found["back-shift"].endswith("-undo:0")
    assert found["committed"] == "switch: committed" and found["before-window"] == "after phase-entered:window"


def test_a_place_that_the_plan_has_not_is_left_out(prod: Plan) -> None:
    short = replace(prod, phases=tuple(phase for phase in prod.phases if not phase.name.startswith("shift-")))
    found = places_of(short)
    assert not {"shift-50", "shift-100", "back-shift"} & found.keys() and "bake" in found
    assert "bake" not in places_of(replace(prod, phases=prod.phases[:2]))
    assert all(one.strikes[0].place.name in found for one in wanted("all", short))


def test_all_are_each_fault_that_the_twin_can_have_once(prod: Plan) -> None:
    found = wanted("all", prod)
    names = [one.strikes[0].fault.name for one in found]
    able = [fault.name for fault in FAULTS if fault.environment == BARE and fault.name not in ONLY_THERE]
    assert names == able and all(len(one.strikes) == 1 for one in found)
    assert len({one.strikes[0].place.name for one in found}) >= 10, "at many places"


def test_a_seed_draws_the_same_again_and_always_something(prod: Plan) -> None:
    assert [str(one) for one in wanted("7,8", prod)] == [str(one) for one in (*wanted("7", prod), *wanted("8", prod))]
    for seed in range(200):
        (schedule,) = wanted(str(seed), prod)
        assert schedule.strikes and all(one.fault.environment == BARE for one in schedule.strikes)
    with pytest.raises(ValueError, match="no less than 0"):
        wanted("-1", prod)


def test_what_became_of_each_is_in_the_record() -> None:
    told = documents([Result(("kill-blue@commit",), "forward", "retried", "cutover 0", (), 7, 1.5, 9.0)])
    assert told[0]["faults"] == ["kill-blue@commit"] and told[0]["problems"] == [] and told[0]["typed"] == "cutover 0"


def test_a_fault_that_never_came_was_not_survived() -> None:
    results = [
        Result(
            ("kill-blue@commit", "kill-edge@bake"),
            "forward",
            "retried",
            "cutover 0",
            (),
            7,
            1.5,
            9.0,
            ("kill-edge@bake",),
        ),
        Result(("ctrl-c@locked",), "forward", "stopped", "cutover 130", ("LOST: 1 of 9",), 9, 1.5, 9.0),
    ]
    said = "1 of 2 that came, with nothing lost and nothing doubled; their place was never reached: kill-edge@bake"
    assert survived(documents(results)) == said and survived([]) == "none was made"
