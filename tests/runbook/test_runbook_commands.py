"""What a runbook prints is run, by bash, as a person would paste it."""

import re
import subprocess
from pathlib import Path

import pytest
from runbook_toy import book, finish, plan

from cutover.runbook import extract_commands, render
from cutover.runbook.markdown import anchor

Commands = list[tuple[str, str, str]]


def bash(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"TOY_HOME": str(home), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )


def start(home: Path) -> dict[str, str]:
    states = {step.resource: step.before for _, step in reversed(list(plan().steps()))}
    states |= {step.resource: step.before for _, step in finish().steps()}
    for resource, state in states.items():
        (home / resource).write_text(state)
    return states


def world(home: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in home.iterdir()}


def follow(commands: Commands, home: Path) -> dict[str, str]:
    """Does every step and asks every check; returns what each check said."""
    said = {}
    for name, kind, script in commands:
        if kind != "undo":
            result = bash(script, home)
            assert result.returncode == 0, f"{name} {kind}: {script}\n{result.stderr}"
            said[name] = result.stdout
    return said


def page(name: str) -> Commands:
    # Guards and the decision's own checks ask about other moments than the steps do.
    text = render(book())[name]
    return extract_commands(text[text.index("\n## 1. ") :])


def test_the_pasted_cutover_reaches_every_state_that_it_claims(tmp_path: Path) -> None:
    start(tmp_path)
    said = follow(page("CUTOVER-RUNBOOK.md"), tmp_path)
    for _, step in plan().steps():
        assert said[step.name] == step.after
    assert said["lag"] == ""


def test_the_pasted_rollback_brings_everything_back_but_standing_work(tmp_path: Path) -> None:
    first = start(tmp_path)
    follow(page("CUTOVER-RUNBOOK.md"), tmp_path)
    said = follow(page("ROLLBACK-RUNBOOK.md"), tmp_path)
    assert world(tmp_path) == first | {"replication": "following"}
    assert said["share-10-undo"] == "0 %"


def stops() -> list[tuple[str, list[str]]]:
    """Every place that the rollback's table knows, with the steps and gates that it names there."""
    text = render(book())["ROLLBACK-RUNBOOK.md"]
    names = {target: name for name, _, _ in page("ROLLBACK-RUNBOOK.md") for target in targets(name)}
    rows = [row.split(" | ") for row in text.split("\n") if row.startswith("| `") and "-undo)" in row]
    return [(row[0][2:], [names[target] for target in re.findall(r"\(#([^)]*)\)", row[2])]) for row in rows]


def targets(name: str) -> tuple[str, str]:
    return anchor("step", name), anchor("gate", name)


def test_from_every_place_where_it_can_stop_the_named_steps_lead_back(tmp_path: Path) -> None:
    forward = page("CUTOVER-RUNBOOK.md")
    last = {"`prepare`": "ttl", "`shift`": "share-100"} | {
        "`window`, before `switchover` committed": "maintenance-on",
        "`window`, after `switchover` committed": "switchover",
    }
    assert [where for where, _ in stops()] == sorted(last, key=[where for where, _ in stops()].index)
    for where, steps in stops():
        first = start(tmp_path)
        done = [name for name, _, _ in forward].index(last[where])
        follow([c for c in forward[: done + 1] if c[1] == "do"], tmp_path)
        follow([c for c in page("ROLLBACK-RUNBOOK.md") if c[0] in steps], tmp_path)
        left = {"replication": "following"} if where != "`prepare`" else {}
        assert world(tmp_path) == first | left, where


def test_each_pasted_undo_takes_its_step_back(tmp_path: Path) -> None:
    commands = page("CUTOVER-RUNBOOK.md")
    for _, step in plan().steps():
        start(tmp_path)
        (tmp_path / step.resource).write_text(step.before)
        for kind, wanted in (("do", step.after), ("undo", step.before)):
            (script,) = [script for name, k, script in commands if (name, k) == (step.name, kind)]
            assert bash(script, tmp_path).returncode == 0
            assert (tmp_path / step.resource).read_text() == wanted


def test_the_pasted_finish_runs_and_prints_no_undo(tmp_path: Path) -> None:
    start(tmp_path)
    commands = page("ARCHIVE-RUNBOOK.md")
    assert follow(commands, tmp_path) == {"way-back": "removed"}
    assert [kind for _, kind, _ in commands] == ["do", "check"]


def test_the_checklist_asks_for_the_last_state_of_each_resource(tmp_path: Path) -> None:
    start(tmp_path)
    follow(page("CUTOVER-RUNBOOK.md"), tmp_path)
    said = follow(extract_commands(render(book())["POST-CUTOVER-CHECKLIST.md"]), tmp_path)
    assert said["maintenance-off"] == "off"
    assert said["share-100"] == "100 %"
    assert "share-10" not in said


def test_a_missing_variable_is_said_by_the_preparation(tmp_path: Path) -> None:
    text = render(book(prepare_shell="true"))["CUTOVER-RUNBOOK.md"]
    script = text[text.index("```bash\ntrue\n") + len("```bash\n") :].split("\n```", 1)[0]
    assert bash(script, tmp_path).returncode == 0
    result = subprocess.run(["bash", "-c", script], env={}, check=False, capture_output=True, text=True, timeout=10)
    assert result.returncode != 0
    assert "TOY_HOME: is not set" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "<!-- cutover:do a -->\n\n```bash\nnot marked\n```\n",
        "```bash\nnot marked\n```\n",
        "````text\n<!-- cutover:do a -->\n```bash\ninside another fence\n```\n````\n",
        " <!-- cutover:do a --> \n```bash\nthe marker does not stand alone\n```\n",
        "<!-- cutover:stop a -->\n```bash\nno such kind\n```\n",
        "<!-- cutover:do a -->\n```bash\nnever closed\n",
    ],
)
def test_only_marked_and_closed_fences_are_commands(text: str) -> None:
    assert extract_commands(text) == []
