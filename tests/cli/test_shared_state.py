"""A state that is kept elsewhere and cannot be read: what is told of it, and that it hides no other environment."""

from __future__ import annotations

import json

import pytest
from cli.shell import Shell


@pytest.fixture
def shared(shell: Shell) -> Shell:
    """Staging's state is in a database whose address is not known here."""
    path = shell.folder / "environments" / "staging.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\nstate: env:STATE_DSN\n", encoding="utf-8")
    return shell


def test_the_others_are_shown_all_the_same(shared: Shell) -> None:
    said = shared.invoke("status", "--json").ended(0)
    found = {entry["environment"]: entry["state"] for entry in json.loads(said.out)["environments"]}
    assert found["staging"] == "not known: env:STATE_DSN: this environment variable is not set"
    assert found["prod"] == "no run"
    assert "env:STATE_DSN" in shared.invoke("status", "--env", "staging").ended(3).err


def test_a_file_that_cannot_be_read_hides_no_other_environment(shell: Shell) -> None:
    (shell.folder / "environments" / "staging.yaml").write_text("name: [", encoding="utf-8")
    said = shell.invoke("status", "--json").ended(0)
    found = {entry["environment"]: entry["state"] for entry in json.loads(said.out)["environments"]}
    assert found["staging"].startswith("not known: ") and "staging.yaml" in found["staging"]
    assert found["prod"] == "no run"
    assert "staging.yaml" in shell.invoke("status", "--env", "staging").ended(3).err


def test_a_command_without_env_does_not_guess(shared: Shell) -> None:
    said = shared.invoke("hold", "--reason", "r").ended(5)
    assert "whether staging has a run is not known" in said.err and "--env" in said.err
    assert not list(shared.home.rglob("*.sqlite"))


def test_policies_say_what_they_lack_where_the_state_is_a_reference(shared: Shell) -> None:
    said = shared.invoke("iam", "--env", "staging", "--role", "plan", "--json").ended(0)
    assert "the state is where env:STATE_DSN says" in said.err
    assert "s3:GetObject" in said.err
    assert json.loads(said.out)["roles"]
