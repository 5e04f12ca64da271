"""The console's people, names and port: what may be written, and that no run is bound to it."""

from collections.abc import Callable

import pytest
from small import SMALL

from cutover.environment import Environment, parse
from cutover.plans.blue_green import bound_to

PEOPLE = "console: {people: {anna: [operator, approver], bert@desk.example.com: [viewer]}, hosts: [Console.example.com], port: 8443}\n"


def test_what_is_written_is_read(loaded: Callable[..., Environment]) -> None:
    found = loaded(PEOPLE).console
    assert found.people == {"anna": ("operator", "approver"), "bert@desk.example.com": ("viewer",)}
    assert found.hosts == ("console.example.com",) and found.port == 8443
    assert loaded("").console.people is None and loaded("console: {people: {}}\n").console.people == {}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("people: {anna: [operater]}", "console.people.anna[0]: must be one of operator, approver, viewer (did you mean operator?)"),
        ("people: {anna: []}", "console.people.anna: needs at least 1"),
        ("people: {anna: [operator, operator]}", "console.people.anna: "),
        ("people: {anna: operator}", "console.people.anna: "),
        ('people: {"an na": [operator]}', "a name as the journal has it"),
        ("people: [anna]", "console.people: "),
        ("hosts: [console]", "console.hosts[0]: wants a DNS name"),
        ('hosts: ["console.example.com:8443"]', "console.hosts[0]: wants a DNS name"),
        ("port: 0", "console.port: must be from 1 to 65535"),
        ("peeple: {}", "console.peeple: unknown key (did you mean people?)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(told: Callable[..., list[str]], words: str, problem: str) -> None:
    problems = told(f"console: {{{words}}}\n")
    assert len(problems) == 1 and problem in problems[0], problems


def test_a_run_is_not_bound_to_who_may_do_what(loaded: Callable[..., Environment]) -> None:
    """Somebody who joins the shift makes no run unresumable."""
    before = parse(SMALL, name="small", file="f")
    after = loaded(PEOPLE)
    assert before != after and bound_to(before) == bound_to(after)
