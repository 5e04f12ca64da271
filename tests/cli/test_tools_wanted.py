"""Which tools the tests ask for: a part of them asks for no browser, which it may not need."""

from cutover.cli.setting_up import FOR_PAGES, _wanted


def test_only_the_whole_of_the_tests_asks_for_a_browser() -> None:
    assert set(FOR_PAGES) <= set(_wanted(pages=True)) and set(FOR_PAGES).isdisjoint(_wanted(pages=False))
