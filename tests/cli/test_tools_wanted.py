"""Which tools the tests ask for: a part of them asks for no browser, which it may not need."""

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from cutover.cli import setting_up
from cutover.cli.setting_up import FOR_PAGES, _wanted


def test_only_the_whole_of_the_tests_asks_for_a_browser() -> None:
    assert set(FOR_PAGES) <= set(_wanted(pages=True)) and set(FOR_PAGES).isdisjoint(_wanted(pages=False))


@pytest.mark.parametrize(
    ("codes", "parts", "code"), [((0, 0), 2, 0), ((1, 0), 2, 1), ((0, 1), 2, 1), ((2, 0), 1, 2), ((130, 0), 1, 130)]
)
def test_what_fails_in_one_part_of_the_tests_hides_nothing_of_the_other(
    monkeypatch: pytest.MonkeyPatch, codes: tuple[int, int], parts: int, code: int
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str]) -> None:
        asked.append(command)
        if found := codes[len(asked) - 1]:
            raise Exit(code=found)

    monkeypatch.setattr(setting_up, "run", run)
    monkeypatch.setattr(setting_up, "provide_tools", lambda **wanted: None)
    try:
        setting_up.test(Context())
        ended = 0
    except Exit as error:
        ended = error.code
    assert (len(asked), ended) == (parts, code)
