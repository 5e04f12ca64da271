"""The share as a flag in PostgreSQL and in SSM: the step's contract there, and what is printed for a hand.

Here, where their servers run already.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from shlex import quote
from uuid import uuid4

import psycopg
import pytest
from contract import holds
from flag_store_contract import FLAG, NOW, flag
from psycopg import conninfo, sql

from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.share import Share
from cutover.flags.share import StoreShare
from cutover.flags.stores import AwsCall, opened, prepare
from cutover.plans.flag_stores import asked
from cutover.routing import Flag, Store

NAME = FLAG.name
Bash = Callable[[str], str]


@pytest.fixture
def dsn(server: str) -> Iterator[str]:
    name = f"flags_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    known = conninfo.conninfo_to_dict(server)
    yield f"postgresql://{known['user']}@{known['host']}:{known['port']}/{name}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class At:
    """A store in which the flag is off."""

    address: str
    aws: AwsCall | None = None

    def opened(self) -> AbstractContextManager[Store]:
        return opened(self.address, self.aws)

    def step(self, before: float = 0, after: float = 10) -> StoreShare:
        return StoreShare(
            name=f"shop-to-{after:g}",
            before=Share.of(before),
            after=Share.of(after),
            store=self.opened,
            place=quote(self.address),
            flag=NAME,
        )

    def stands(self) -> Flag:
        with self.opened() as store:
            return flag(store, NAME)

    def write(self, changed: Callable[[Flag], Flag]) -> None:
        with self.opened() as store:
            now = flag(store, NAME)
            store.put(changed(now), now.version)

    def set_to(self, percent: float, enabled: bool = True) -> None:
        self.write(lambda now: replace(now, share=Decimal(str(percent)), enabled=enabled))


@pytest.fixture(params=["postgresql", "ssm"])
def at(request: pytest.FixtureRequest) -> At:
    call: AwsCall | None = None
    if request.param == "ssm":
        aws: Aws = request.getfixturevalue("aws")
        call = partial(asked, aws)
        address = f"ssm:/shop/flags-{uuid4().hex[:8]}?region=us-east-1"
    else:
        address = request.getfixturevalue("dsn")
    with opened(address, call) as store:
        prepare(store)
        store.put(replace(FLAG, enabled=False, share=Decimal(0)), 0)
    return At(address, call)


@pytest.fixture
def bash(aws_cli: str) -> Bash:
    def run(script: str) -> str:
        path = f"{aws_cli}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env={**os.environ, "PATH": path, "AWS_PAGER": ""},
                              check=False, capture_output=True, text=True, timeout=90)  # fmt: skip
        assert done.returncode == 0, f"{script}\nended with {done.returncode}: {done.stderr}"
        return done.stdout

    return run


@pytest.mark.slow
@pytest.mark.sampled
def test_contract(at: At, tmp_path: Path) -> None:
    holds(
        lambda: at.step(),
        state_dir=tmp_path,
        kills=8,
        reset=partial(at.set_to, 0, False),
        strays=[partial(at.set_to, 25)],
    )


def test_what_is_printed_reaches_the_state_that_it_claims(at: At, bash: Bash) -> None:
    for before, after in ((0, 0.5), (0.5, 100), (100, 0)):
        step, was = at.step(before, after), at.stands()
        (command,) = step.commands(step.after)
        bash(command.shell())
        assert step.observe() == step.after
        assert bash(step.check_shell()) == f"{step.after}\n"
        found = at.stands()
        assert (found.version, found.reason) == (was.version + 1, f"step {step.name}")
        assert (found.more, found.salt, found.description) == (FLAG.more, FLAG.salt, FLAG.description)
        assert found.author and found.changed_at and found.changed_at > NOW


def test_a_second_run_writes_nothing(at: At) -> None:
    for _ in range(2):
        for command in at.step().commands(Share.of(10)):
            command.run(Deadline.after(20))
    assert at.stands().version == 2
