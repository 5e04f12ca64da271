"""Flags, typed at the command line: exit codes, what is asked, what is printed, and no word of a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.shell import Shell

from cutover.routing import Flag, FlagWrong, open_store

WORDS = """
flags:
  search: {store: "file:%s/flags.json", description: Who searches}
  cart: {store: "env:CART_STORE"}
"""


@pytest.fixture
def routed(shell: Shell) -> Shell:
    for name in ("staging", "prod"):
        path = shell.folder / "environments" / f"{name}.yaml"
        path.write_text(path.read_text(encoding="utf-8") + WORDS % shell.folder, encoding="utf-8")
    return shell


def stands(shell: Shell) -> Flag | FlagWrong:
    return open_store(f"file:{shell.folder}/flags.json").all()["search"]


def test_from_the_first_canary_to_the_rollback(routed: Shell) -> None:
    of = ("--env", "staging", "--flag", "search")
    said = routed.invoke("flag.enable", "5", *of, "--reason", "canary", "--yes").ended(0)
    assert "search: 5 %, version 1 by" in said.err and said.out == ""
    moved = json.loads(routed.invoke("flag.set", "25", *of, "--reason", "soak is over", "--yes", "--json").ended(0).out)
    assert (moved["before"]["share"], moved["after"]["share"], moved["unrecorded"]) == (5, 25, "")
    back = routed.invoke("flag.rollback", "p95 doubled", *of).ended(0)
    assert "search: off (0 % when on), version 3" in back.err
    flag = stands(routed)
    assert isinstance(flag, Flag) and (flag.buckets, flag.enabled, flag.reason) == (0, False, "p95 doubled")
    shown = routed.invoke("flag.status", *of, "--record").ended(0).out.splitlines()
    assert shown[0].startswith("search: off (0 % when on), version 3 by") and shown[1].endswith(": p95 doubled")
    assert [line.strip().split(" ", 4)[4].split("; ", 1)[0] for line in shown[2:]] == [
        "asked enable (canary)", "changed enable (canary)", "asked set (soak is over)", "changed set (soak is over)",
        "changed rollback (p95 doubled)",
    ]  # fmt: skip
    assert shown[-1].endswith("before 25 % on; after 0 % off")


def test_a_protected_environment_wants_the_version_that_was_reviewed_and_goes_back_without_a_question(
    routed: Shell,
) -> None:
    store = open_store(f"file:{routed.folder}/flags.json")
    store.put(Flag(name="search"), 0)
    of = ("--env", "prod", "--flag", "search")
    refused = routed.invoke("flag.enable", "5", *of, "--reason", "canary", "--yes").ended(5)
    assert "prod is protected: --yes alone is not enough" in refused.err and "--version N" in refused.err
    dry = routed.invoke("flag.set", "5", *of, "--dry-run").ended(0)
    assert "would set search at 5" in dry.err and "now: off (0 % when on), version 1" in dry.err
    routed.invoke("flag.enable", "5", *of, "--reason", "canary", "--yes", "--version", "1").ended(0)
    routed.invoke("flag.disable", *of, "--reason", "why").ended(0)
    flag = stands(routed)
    assert isinstance(flag, Flag) and (float(flag.share), flag.enabled) == (5, False)


def test_the_check_ends_by_its_verdict(routed: Shell) -> None:
    open_store(f"file:{routed.folder}/flags.json").prepare()  # type: ignore[attr-defined]
    of = ("--env", "staging", "--flag", "search")
    held = routed.invoke("flag.check", *of).ended(8)
    assert held.out.splitlines()[-1] == "HOLD" and "? error rate" in held.out
    back = routed.invoke("flag.check", *of, "--complaints", "nothing is found", "--json").ended(1)
    document = json.loads(back.out)
    assert document["verdict"] == "ROLL BACK" and "invoke flag.rollback" in back.err


def test_what_is_wrong_is_said_without_a_secret(routed: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    of = ("--env", "staging", "--flag")
    assert "did you mean search?" in routed.invoke("flag.status", *of, "serch").ended(3).err
    assert (
        "env:CART_STORE: this environment variable is not set" in routed.invoke("flag.rollback", "x", *of, "cart").err
    )
    monkeypatch.setenv("CART_STORE", "mysql://a:s3cret@b")
    for command in (("flag.rollback", "x"), ("flag.status",)):
        said = routed.invoke(*command, *of, "cart")
        assert (
            said.code in (1, 3, 7) and "s3cret" not in said.out + said.err and "known are file:" in said.out + said.err
        )
    assert not Path(routed.folder, "flags.json").exists()
