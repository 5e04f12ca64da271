"""Approvals in the environment file: what they wait before, who signs, and what is refused."""

import pytest
from small import SMALL

from cutover.core.errors import ConfigurationRefused
from cutover.environment import parse

APPROVALS = """\
approvals:
  go:
    before: {before}
    roles: {roles}
    different_people: {two}
"""


def loaded(before: str = "window", roles: str = "[decision, database]", two: str = "true", more: str = "") -> object:
    text = SMALL + APPROVALS.format(before=before, roles=roles, two=two) + more
    return parse(text, name="small", file="small.yaml")


@pytest.mark.parametrize("before", ["prepare", "window", "shift-10", "shift-100", "bake", "end"])
def test_a_run_can_wait_before_each_phase_and_at_the_end(before: str) -> None:
    loaded(before)


def test_shares_of_ones_own_are_phases() -> None:
    loaded("shift-2.5", more="shift: {shares: [2.5, 100]}\n")
    with pytest.raises(ConfigurationRefused, match="no phase 'shift-10'"):
        loaded("shift-10", more="shift: {shares: [2.5, 100]}\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"before": "windows"}, r"approvals.go.before: no phase 'windows' \(did you mean window\?\)"),
        ({"before": "work"}, "no phase 'work'"),
        ({"before": "shift-100", "more": "shift: {strategy: immediate}\n"}, "no phase 'shift-100'"),
        ({"roles": "[]"}, "approvals.go.roles"),
        ({"roles": "[decision, decision]"}, "names the same thing twice"),
        ({"roles": "[boss]"}, "approvals.go.roles"),
        ({"roles": "[decision]"}, "approvals.go.different_people: there is only one role"),
    ],
)
def test_what_nobody_could_answer_is_refused(words: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigurationRefused, match=reason):
        loaded(**words)


def test_the_checklists_gates_keep_their_names() -> None:
    text = (
        SMALL + "checklist: {logs: {attest: traffic}}\napprovals: {attested-logs: {before: bake, roles: [traffic]}}\n"
    )
    with pytest.raises(ConfigurationRefused, match="is the name of the checklist's gate"):
        parse(text, name="small", file="small.yaml")
