"""Hostile text in every field of an environment that takes it: no printed command runs any of it, whatever a shell makes of a name."""

import copy
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cutover.app import open_environment
from cutover.core.errors import ConfigurationRefused
from cutover.environment import Environment, load, names, parse
from cutover.rehearsal.words import Words
from cutover.runbook import extract_commands, render
from cutover.runbook.compose import book_of

COMMITTED = Path(__file__).parents[2] / "environments"
MORE = """\
name: more
description: What the committed environments do not have
aws: {region: us-east-1}
owners: {decision: a, database: b, traffic: c, application: d}
database:
  name: shop
  blue: env:BLUE_DSN
  green: env:GREEN_DSN
  clients: {kind: pgbouncer, admin: env:POOL, database: shop, file: /etc/pgbouncer/pgbouncer.ini, blue: "blue:5432", green: "green:5432"}
window: {budget: 180s}
shift: {shares: [10, 100], soak: 1s}
hostnames:
  hooks: {host: hooks.example.com, carrier: {kind: lambda, function: hooks, alias: live, blue: 1, green: 2}}
  app: {host: app.example.com, carrier: {kind: ssm, parameter: /app/share, key: green_percent, reported: [env:APP_FLAGS]}}
  admin: {host: admin.example.com, carrier: {kind: file, file: /srv/flags.json, key: green_percent}}
  edge: {host: edge.example.com, carrier: {kind: cloudfront, distribution: EPRIMARY1, staging: ESTAGING1, kept_in: /cutover/slow/edge}}
  stack:
    host: stack.example.com
    carrier: {kind: cloudformation, stack: edge, parameter: Percent, decimals: 1, parameters: {Colour: teal}, may_touch: [Weights]}
workers:
  mails: {side: blue, runs_on: {kind: ecs, cluster: shop, service: mails, count: 2}, log_group: /ecs/mails}
  images: {side: blue, runs_on: {kind: autoscaling, group: mails, count: 2, min_size: 1}, log_group: /nowhere}
  bills: {side: green, runs_on: {kind: schedule, rule: nightly-bill}}
configuration:
  sender: {parameter: /app/sender, blue: "mail blue's", green: env:GREEN_SENDER}
steps:
  banner:
    phase: window-before
    before: none
    after: shown
    observe: "true"
    to: "true"
    back: "true"
    why: Visitors are told before writes wait.
"""
OWN = ("command", "observe", "to", "back")
"""Words that are commands: what they say is meant to run."""
QUOTED = "q'\"; touch {0}; $(touch {0}) `touch {0}` \\'; touch {0} #"
PAYLOADS = (
    QUOTED,
    "x\nSQL\ntouch {0}\nEOF\ntouch {0}\n",
    "$(touch {0})",
    "`touch {0}`",
    "';touch {0};'",
    '";touch {0};"',
    ";touch {0};",
    "|touch {0}",
    "&touch {0}&",
    "-rf $IFS>{0}",
    "{{a,b}}>{0}",
)
MARK = "ran"
PROGRAMS = (
    "aws",
    "psql",
    "invoke",
    "python",
    "python3",
    "curl",
    "dig",
    "jq",
    "pg_dump",
    "pg_restore",
    "sleep",
    "pytest",
    "sed",
    "awk",
    "date",
)
"""What the commands would call: here each ends at once and says nothing."""


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in names(COMMITTED):
        yield name, Words.of(load(name, COMMITTED)).document
    yield "more", Words.of(parse(MORE, name="more", file="more.yaml")).document


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a text stands."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, (*place, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves(one, (*place, number))
    elif isinstance(value, str) and place != ("name",):
        yield place


def put(document: Any, place: tuple[str | int, ...], value: str) -> None:
    for part in place[:-1]:
        document = document[part]
    document[place[-1]] = value


def taken(words: Words) -> bool:
    """First by the field's own rule, which is quick, and then with all others."""
    try:
        Environment.model_validate(words.document)
        words.environment()
    except (ConfigurationRefused, ValidationError):
        return False
    return True


def hostile(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The document with hostile text wherever the loader takes it, beside what stood there or in its place; and where that is."""
    words, found = Words(copy.deepcopy(document), {}), []
    for number, place in enumerate(leaves(document)):
        if place[-1] in OWN or (place[-1] == "query" and _is_command(document, place)):
            continue
        was = words.at(*place)
        for payload in PAYLOADS:
            text = payload.format(f"{MARK}-{number}")
            for value in (f"{was}{text}", text):
                put(words.document, place, value)
                if taken(words):
                    found.append(f"{'.'.join(map(str, place))}: {value!r}")
                    break
            else:
                put(words.document, place, was)
                continue
            break
    return words.document, found


def _is_command(document: dict[str, Any], place: tuple[str | int, ...]) -> bool:
    figure = document["metrics"]["figures"].get(place[2]) if place[:2] == ("metrics", "figures") else None
    return figure is not None and document["metrics"]["sources"][figure["source"]]["kind"] == "command"


def ran(command: str, folder: Path) -> list[str]:
    """What the command has run of the hostile text, in a folder of its own where no program does anything."""
    folder.mkdir()
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    variables = {"PATH": path, "HOME": str(folder), "CUTOVER_ENV": "x", "LC_ALL": "C.UTF-8"}
    # A command may wait for what never comes here: what it has run by then is what counts.
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
    return [path.name for path in folder.rglob(f"{MARK}-*")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_printed_command_runs_what_a_field_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "environments").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / "bin" / program).chmod(0o755)
    commands: dict[str, str] = {}
    fields = 0
    for name, document in documents():
        spoilt, found = hostile(document)
        fields += len(found)
        words = Words(spoilt, {})
        (tmp_path / "environments" / f"{name}.yaml").write_text(words.text(), encoding="utf-8")
        app = open_environment(name, read_only=True, directory=tmp_path / "environments")
        try:
            pages = render(book_of(app))
        except ConfigurationRefused as error:
            pytest.fail(f"{name}: {error.problems}; fields: {found}")
        for page in pages.values():
            commands |= {command: f"{name}: {step} {kind}" for step, kind, command in extract_commands(page)}
    assert fields > 100 and len(commands) > 300, (fields, len(commands))
    numbered = list(enumerate(commands))
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda one: (one[1], ran(one[1], tmp_path / f"c{one[0]}")), numbered))
    bad = [f"{commands[command]} ran {', '.join(marks)}:\n{command}" for command, marks in told if marks]
    assert not bad, "\n\n".join(bad[:5])


def test_the_check_sees_what_runs(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for number, payload in enumerate(("$(touch {0})", "`touch {0}`", "x;touch {0}")):
        assert ran(f"echo {payload.format('ran-1')}", tmp_path / str(number)) == ["ran-1"]
    assert ran("echo '$(touch ran-1)'", tmp_path / "quoted") == []
