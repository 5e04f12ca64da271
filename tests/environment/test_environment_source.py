"""Which files are read at all, and how an environment is found by its name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cutover.core.errors import ConfigurationRefused
from cutover.environment import load, names


@pytest.fixture
def folder(tmp_path: Path, small_text: str) -> Path:
    directory = tmp_path / "environments"
    directory.mkdir()
    (directory / "small.yaml").write_text(small_text)
    return directory


def _refused(name: str, directory: Path) -> str:
    with pytest.raises(ConfigurationRefused) as caught:
        load(name, directory)
    (problem,) = caught.value.problems
    return problem.replace(str(directory), "DIR")


def test_found_by_name(folder: Path) -> None:
    assert load("small", folder).name == "small"


def test_names_are_those_that_can_be_loaded(folder: Path) -> None:
    for other in ("b.yaml", "Upper.yaml", "-x.yaml", "c.yml", "schema.json"):
        (folder / other).touch()
    assert names(folder) == ("b", "small")
    assert names(folder / "nowhere") == ()


def test_an_unknown_name_lists_the_known_ones(folder: Path) -> None:
    assert _refused("smal", folder) == "DIR: no environment called 'smal' (did you mean small?); there are: small"
    assert _refused("x", folder / "no") == "DIR: no environment called 'x'; there is none at all"


@pytest.mark.parametrize(
    "name", ["../small", "/etc/passwd", "", ".", "a\nb", "\x1b[2J", "x" * 5000, "postgresql://u:hunter2@h"]
)
def test_a_name_is_never_a_path(folder: Path, name: str) -> None:
    problem = _refused(name, folder)
    assert problem.startswith("DIR: no environment ")
    assert problem.isprintable()
    assert "hunter2" not in problem


def test_the_name_inside_is_the_name_of_the_file(folder: Path) -> None:
    (folder / "small.yaml").rename(folder / "large.yaml")
    assert _refused("large", folder) == "DIR/large.yaml:1: name: must be the file's own name, large"


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: os.mkfifo(path), "is not a regular file"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a symlink that leads out of its folder"),
        (lambda path: path.symlink_to("../outside.yaml"), "is a symlink that leads out of its folder"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere.yaml"), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"a" * (256 * 1024 + 1)), "is larger than 256 KiB"),
        (lambda path: path.write_bytes(b"a: b\nc: \xff\n"), "is not UTF-8 text"),
    ],
)
def test_what_is_not_read(folder: Path, make: Callable[[Path], object], reason: str) -> None:
    (folder.parent / "outside.yaml").write_text("name: odd")
    make(folder / "odd.yaml")
    line = 2 if "UTF-8" in reason else 1
    assert _refused("odd", folder) == f"DIR/odd.yaml:{line}: {reason}"


def test_a_symlink_inside_the_folder_is_read(folder: Path) -> None:
    (folder / "small.yaml").rename(folder / "kept.yaml")
    (folder / "small.yaml").symlink_to("kept.yaml")
    assert load("small", folder).name == "small"


def test_a_byte_order_mark_is_fine(folder: Path, small_text: str) -> None:
    (folder / "small.yaml").write_bytes(b"\xef\xbb\xbf" + small_text.encode())
    assert load("small", folder).name == "small"


def test_a_protected_environment_is_not_one_that_anybody_may_write(folder: Path, small_text: str) -> None:
    file = folder / "small.yaml"
    file.chmod(0o666)
    assert not load("small", folder).protected
    file.write_text(small_text + "protected: true\naws: {account: '123456789012'}\n")
    assert "`chmod o-w`" in _refused("small", folder)
    file.chmod(0o644)
    assert load("small", folder).protected
