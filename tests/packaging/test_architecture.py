"""The page for readers of the code: its picture is the imports as they are, and what it names is there."""

import re

import pytest
from layers_picture import BEGIN, PAGE, drawn, picture
from test_layers import ANNEXES, FLOORS, ROOT


def test_the_picture_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == drawn(page), "python tests/layers_picture.py"


def test_every_room_is_in_the_picture_and_every_arrow_points_down() -> None:
    lines = picture().splitlines()
    rooms = {found[1] for line in lines if (found := re.match(r"    (\w+)\(?\[", line))}
    assert rooms == {*FLOORS, *ANNEXES, "cutover"}
    arrows = [tuple(line.strip().split(" --> ")) for line in lines if "-->" in line]
    assert ("plans", "environment") in arrows and ("plans", "core") not in arrows
    assert all(FLOORS.get(user, 3) >= FLOORS.get(used, 3) for user, used in arrows if not ANNEXES & {user, used})


def test_a_page_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the picture"):
        drawn(PAGE.read_text(encoding="utf-8").replace(BEGIN, ""))


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "SECURITY.md"])
def test_the_files_that_a_page_names_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w.*])((?:[\w-]+/)+[\w-]+\.(?:py|md|lock|json))", text))
    named |= set(re.findall(r"\]\(([\w./-]+)\)", text))
    missing = [one for one in sorted(named) if not (ROOT / one).exists() and not (ROOT / "cutover" / one).exists()]
    assert named and not missing
