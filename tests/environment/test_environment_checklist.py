"""The lines of the two checklists in the environment file: what answers them, what they are held against, what is refused."""

import pytest
from small import SMALL

from cutover.core.errors import ConfigurationRefused
from cutover.environment import Environment, parse
from cutover.environment.checklist import quantity
from cutover.metrics.units import Quantity

METRICS = (
    "metrics: {sources: {own: {kind: command}}, figures: {p95: {source: own, query: x, unit: ms, side: green}, "
    "spent: {source: own, query: y, unit: USD, side: green}}}\n"
)


def loaded(lines: str) -> Environment:
    return parse(SMALL + METRICS + lines, name="small", file="small.yaml")


def test_a_line_is_answered_by_tests_a_command_a_figure_or_a_role() -> None:
    found = loaded(
        "readiness:\n"
        "  tests: {command: make test, timeout: 30m, only_looks: true, variables: {TOKEN: 'env:TOKEN'}}\n"
        "  search: {command: bench, at_most: 0.2 s, at_least: 1ms}\n"
        "  cost: {figure: spent, at_most: 120 USD}\n"
        "  told: {attest: decision}\n"
        "checklist: {cost: {figure: spent, at_most: 120 USD}, p95: {figure: p95, at_most: 0.2s}}\n"
    )
    tests, search, cost, told = found.readiness
    assert (tests.command, tests.timeout, tests.only_looks) == ("make test", 1800.0, True)
    assert (search.at_most, search.timeout, search.only_looks) == ("0.2 s", 600.0, False)
    assert (cost.figure, told.attest, [one.name for one in found.checklist]) == ("spent", "decision", ["cost", "p95"])
    assert Environment.model_validate(found.model_dump(mode="json")) == found
    assert (quantity("0.2 s"), quantity("120 USD"), quantity("5")) == (
        Quantity(0.2, "s"),
        Quantity(120, "USD"),
        Quantity(5),
    )


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("readiness: {a: {}}", "readiness.a: needs one of `smoke`, `attest`, `command` and `figure`"),
        ("readiness: {a: {command: x, attest: traffic}}", "readiness.a: needs one of .* and not more"),
        ("readiness: {a: {comand: x}}", r"readiness.a.comand: unknown key \(did you mean command"),
        ("readiness: {a: {command: x, at_most: soon}}", "readiness.a.at_most: wants a number with its unit"),
        ("readiness: {a: {command: x, at_most: 5 parsecs}}", "readiness.a.at_most: wants a number with its unit"),
        ("readiness: {a: {command: x, timeout: 0}}", "readiness.a.timeout: must be longer than 0"),
        ("readiness: {a: {command: x, at_most: 1s, at_least: 2000ms}}", "at_least: is more than `at_most`"),
        ("readiness: {a: {command: x, at_most: 1s, at_least: 5%}}", "at_least: does not fit `at_most`, which is in s"),
        ("checklist: {a: {figure: p95}}", "checklist.a: needs `at_most` or `at_least`"),
        ("checklist: {a: {figure: p59, at_most: 5ms}}", r"checklist.a.figure: .*did you mean p95\?"),
        ("checklist: {a: {figure: p95, at_most: 5%}}", "checklist.a.at_most: does not fit the figure, which is in ms"),
        ("checklist: {a: {figure: spent, at_most: 5 EUR}}", "does not fit the figure, which is in USD"),
        ("checklist: {a: {smoke: x, at_most: 5}}", "checklist.a.at_most: is for a line with a `command` or a `figure`"),
        ("checklist: {a: {smoke: x, only_looks: true}}", "checklist.a.only_looks: is for a line with a `command`"),
        ("checklist: {a: {figure: p95, at_most: 1s, timeout: 5s}}", "checklist.a.timeout: is for a line with a"),
        (
            "readiness: {a: {attest: traffic}}\nchecklist: {a: {attest: traffic}}",
            "checklist.a: is signed under the same name",
        ),
        (
            "readiness: {a: {command: x}}\napprovals: {ready-a: {before: bake, roles: [traffic]}}",
            "approvals.ready-a: is the name of the checklist's gate",
        ),
    ],
)
def test_what_says_nothing_or_two_things_is_refused(lines: str, reason: str) -> None:
    with pytest.raises(ConfigurationRefused, match=reason):
        loaded(lines + "\n")
