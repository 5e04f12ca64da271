"""What is not installed is named, never left out; targets are held against what was measured."""

from dataclasses import replace

from cutover.bench.comparing import Costs, told
from cutover.bench.cost import Cost
from cutover.bench.measured_table import NARROW


def costs(rows: int, without: str = "") -> Costs:
    made = Costs(rows, without=without)
    made.planted = dict.fromkeys(made.ours, 0)
    for cost in (*made.floors.values(), *made.ours.values()):
        cost.wall, cost.cpu, cost.client_mb = [1.0], [1.0], [40.0]
    made.floors["text cast"] = Cost([3.0], [3.0])
    for cost in made.reladiff.values():
        cost.wall, cost.cpu, cost.client_mb = [5.0], [5.0], [40.0]
    return made


def test_every_case_has_its_wall_time_cpu_and_memory() -> None:
    lines = list(told(costs(1_000_000)))
    assert len(lines) == 3 * 4
    wall = {line.figure: line for line in lines}["comparing 1,000,000 rows, 0.1 % scattered: wall"]
    assert wall.ratios == {"count(*)": 1.0, "text cast": 1 / 3, "reladiff": 0.2}
    assert [str(limit) for limit in wall.limits] == ["≤ 0.7 × text cast", "≤ 0.15 × reladiff"] and wall.met is False
    assert {str(line.limits[0]) for line in told(costs(5_000_000)) if line.figure.endswith("wall")} == {
        "≤ 0.62 × text cast"
    }


def test_narrow_rows_have_a_target_of_their_own() -> None:
    made = replace(costs(1_000_000), shape=NARROW)
    made.ours = {case: cost if case == "equal" else Cost() for case, cost in made.ours.items()}
    wall, cpu, memory = told(made)
    assert wall.figure == "comparing 1,000,000 rows of 3 columns, equal: wall"
    assert [str(limit) for limit in wall.limits] == ["≤ 0.95 × text cast"] and not cpu.limits and memory.limits


def test_reladiff_that_is_not_installed_is_named_and_is_no_target() -> None:
    for line in told(costs(1_000_000, without="pip install -e '.[bench]'")):
        assert "reladiff not measured: pip install -e '.[bench]'" in line.cells()[2]
        assert line.met is True
