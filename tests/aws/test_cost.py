"""Cost Explorer's days, and the estimate that does not have to wait for them."""

from typing import Any

import pytest

from cutover.aws.cost import DAY, SpentByDay, Unclear, asked_for
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Span

FIRST = 19_700 * DAY  # 2023-12-09
DATES = ["2023-12-09", "2023-12-10", "2023-12-11", "2023-12-12"]


class Told(Aws):
    """Answers GetCostAndUsage from a list of pages, and notes what was asked."""

    def __init__(self, *pages: Any) -> None:
        super().__init__("eu-west-1")
        object.__setattr__(self, "pages_left", list(pages))
        object.__setattr__(self, "asked", [])

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        self.__dict__["asked"].append(parameters)
        page = self.__dict__["pages_left"].pop(0)
        if isinstance(page, Exception):
            raise page
        found: dict[str, Any] = page
        return found


def page(*amounts: float, first: int = 0, unit: str = "USD", **more: Any) -> dict[str, Any]:
    days = [
        {
            "TimePeriod": {"Start": DATES[n + first], "End": DATES[n + first + 1]},
            "Total": {"UnblendedCost": {"Amount": str(amount), "Unit": unit}},
            "Estimated": True,
        }
        for n, amount in enumerate(amounts)
    ]
    return {"ResultsByTime": days, **more}


def read(source: SpentByDay, query: str = "all", days: float = 4.5) -> Reading:
    return source.read(query, Span(FIRST, FIRST + days * DAY, DAY), Deadline.after(5))


def test_whole_days_that_are_a_day_old() -> None:
    aws = Told(page(1, 2, 3.5))
    seen = read(SpentByDay(aws))
    assert aws.__dict__["asked"][0]["TimePeriod"] == {"Start": "2023-12-09", "End": "2023-12-12"}
    assert [((one.at - FIRST) / DAY, one.value) for one in seen.samples] == [(1, 1), (2, 2), (3, 3.5)]
    assert (seen.gap, seen.seen) == (None, "3.5 USD, not yet final")


def test_all_pages_are_read_and_an_answer_is_kept_for_an_hour() -> None:
    """Each request is charged for."""
    aws, now = Told(page(1, NextPageToken="x"), page(2, 3, first=1), page(7, 8, 9)), [0.0]
    source = SpentByDay(aws, now=lambda: now[0])
    assert len(read(source).samples) == len(read(source).samples) == 3
    assert len(aws.__dict__["asked"]) == 2
    now[0] = 3601.0
    assert read(source).newest is not None and len(aws.__dict__["asked"]) == 3


@pytest.mark.parametrize(
    ("source", "gap", "said"),
    [
        (Told(AwsError("ce GetCostAndUsage: AccessDenied", "AccessDenied")), Gap.UNREACHABLE, "AccessDenied"),
        (Told({"ResultsByTime": [{}]}), Gap.UNREACHABLE, "cannot be read"),
        (Told({"ResultsByTime": []}), Gap.NO_DATA, "no samples"),
        (Told(page(1)), Gap.STALE, "old"),
    ],
)
def test_gaps_are_told_apart(source: Told, gap: Gap, said: str) -> None:
    seen = read(SpentByDay(source))
    assert seen.gap is gap and said in seen.seen, seen
    assert read(SpentByDay(Told()), days=1.5).gap is Gap.NO_DATA


def test_conditions_narrow_it() -> None:
    assert asked_for("all") == {}
    assert asked_for("tag:side=green") == {"Tags": {"Key": "side", "Values": ["green"]}}
    both = asked_for('service="Amazon Relational Database Service" region=us-east-1')
    assert [one["Dimensions"]["Key"] for one in both["And"]] == ["SERVICE", "REGION"]
    for wrong in ("", "everything", "service=", "colour=red", 'service="x'):
        with pytest.raises(Unclear):
            asked_for(wrong)
    assert '--filter \'{"Tags": {"Key": "side"' in SpentByDay(Aws("eu-west-1")).shell("tag:side=green")
