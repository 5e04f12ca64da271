"""Runbooks on disk, and whether they are current."""

from dataclasses import replace
from pathlib import Path

import pytest
from runbook_toy import book, plan

from cutover.core.errors import ConfigurationRefused
from cutover.core.plan import Plan
from cutover.runbook import render, stale, write


def test_what_was_written_is_current(tmp_path: Path) -> None:
    paths = write(book(), tmp_path / "runbooks" / "toy")
    assert {path.name: path.read_bytes().decode() for path in paths} == render(book())
    assert stale(book(), tmp_path / "runbooks" / "toy") == []
    assert sorted(p.name for p in paths[0].parent.iterdir()) == sorted(p.name for p in paths)


def test_missing_files_are_named(tmp_path: Path) -> None:
    assert stale(book(), tmp_path / "nowhere") == [f"{name}: missing" for name in render(book())]


def test_a_changed_plan_makes_every_page_stale_and_shows_where(tmp_path: Path) -> None:
    write(book(), tmp_path)
    changed = replace(book(), plan=plan(configuration={"toy": False}))
    found = stale(changed, tmp_path)
    assert [line.split("\n")[0] for line in found] == [f"{name}: differs" for name in render(book())]
    assert f"-Plan `cutover`, digest `{plan().digest()}`" in found[0]
    assert f"+Plan `cutover`, digest `{changed.plan.digest()}`" in found[0]


def test_a_long_difference_is_cut_and_a_committed_escape_does_not_reach_the_terminal(tmp_path: Path) -> None:
    write(book(), tmp_path)
    (tmp_path / "CUTOVER-RUNBOOK.md").write_bytes(b"\x1b[31mred\xff\r\n" * 40)
    (found,) = stale(book(), tmp_path)
    assert "\x1b" not in found and "\r" not in found
    assert found.split("\n")[-1].strip().startswith("… ")
    assert len(found.split("\n")) == 14


def test_other_line_ends_are_stale(tmp_path: Path) -> None:
    for path in write(book(), tmp_path):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(stale(book(), tmp_path)) == 4


def test_writing_twice_changes_no_byte_and_keeps_strangers(tmp_path: Path) -> None:
    (tmp_path / "NOTES.md").write_text("ours")
    first = {path: path.read_bytes() for path in write(book(), tmp_path)}
    assert {path: path.read_bytes() for path in write(book(), tmp_path)} == first
    assert (tmp_path / "NOTES.md").read_text() == "ours"


def test_what_cannot_be_rendered_leaves_the_old_pages(tmp_path: Path) -> None:
    write(book(), tmp_path)
    with pytest.raises(ConfigurationRefused):
        write(replace(book(), prepare_shell="echo \x1b[31m"), tmp_path)
    assert stale(book(), tmp_path) == []


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("")
    with pytest.raises(OSError):
        write(book(), tmp_path / "toy")


def test_plans_are_rendered_without_running_or_looking(tmp_path: Path) -> None:
    # The toy's commands, steps and checks raise when they are run or asked.
    assert isinstance(book().plan, Plan)
    assert write(book(), tmp_path)
