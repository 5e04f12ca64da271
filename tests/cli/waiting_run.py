"""A run that waits for a yes before its second share, without servers: everything before it stands in its journal as done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cli.shell import Shell

from cutover.app import App, open_environment
from cutover.core.gate import Gate
from cutover.core.journal import Entry
from cutover.runs import Conductor
from cutover.state.sqlite import SqliteState

NAME, RUN, GATE = "asked", "r1", "go"
WORDS = """\
name: asked
description: A run waits for people
owners: {{decision: a, database: b, traffic: c, application: d}}
database: {{name: shop, blue: env:BLUE, green: env:GREEN}}
hostnames:
  shop:
    host: shop.example.com
    carrier: {{kind: file, file: {flag}}}
shift: {{soak: 1h}}
approvals:
  go: {{before: shift-50, roles: [decision]}}
{more}"""
PLENTY = 60.0
WATCH = """\
import sys
from dataclasses import replace
from invoke.exceptions import Exit
from cutover.cli.opening import conducted, opened
from cutover.cli.running import carried_out
app = opened("asked")
app.plan = replace(app.plan, guards=())
try:
    with conducted(app) as conductor:
        carried_out(app, conductor.watch, conductor, as_json=False, words={})
except Exit as end:
    print(end.message, file=sys.stderr)
    sys.exit(end.code)
"""
"""What `invoke watch` does, for a plan whose guards ask no databases: there are none here."""


@dataclass
class WaitingRun:
    """The environment `asked` in a folder of its own, and the commands that are at work there."""

    shell: Shell
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def flag(self) -> Path:
        """The share that visitors get."""
        return self.shell.folder / "flag"

    def begin(self, more: str = "", *, guarded: bool = False) -> None:
        """Writes the environment, with `more` words, and the run's journal up to the question.

        A `guarded` run is of the environment's whole plan: then it is looked at, and not gone on with.
        """
        self.flag.write_text("10\n")
        text = WORDS.format(flag=self.flag, more=more)
        (self.shell.folder / "environments" / f"{NAME}.yaml").write_text(text, encoding="utf-8")
        app = self.opened()
        with Conductor(app).leased("cutover") as state:
            lease = app.lease[-1]

            def wrote(kind: str, **data: Any) -> None:
                state.append(RUN, kind, data, lease)

            wrote(
                "leg-started",
                direction="forward",
                plan="cutover",
                digest=(app.plan if guarded else replace(app.plan, guards=())).digest(),
                who="ann",
            )
            for _, item in app.plan.walk():
                if item.name == GATE:
                    break
                if isinstance(item, Gate):
                    wrote("passed", gate=item.name, seen="well", data={}, undoes=[])
                else:
                    wrote("converged", step=item.name, seen="done", undoes=[], seconds=0.1, evidence={})
            wrote("leg-ended", outcome="interrupted")
        app.close()

    def watch(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Begins to watch, and does not wait for its end."""
        process = subprocess.Popen(
            [sys.executable, "-c", WATCH],
            cwd=self.shell.folder,
            env=self.shell.variables(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def entries(self, kind: str = "", **data: Any) -> list[Entry]:
        """What the journal has of that kind with this data, as another process reads it."""
        state = SqliteState(self.shell.home / f"{NAME}.sqlite")
        try:
            entries = state.entries()
        finally:
            state.close()
        return [one for one in entries if (not kind or one.kind == kind) and data.items() <= one.data.items()]

    def eventually(self, look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PLENTY
        while not (seen := look()):
            for process in self.processes:
                assert process.poll() in (None, -signal.SIGKILL, 128 + signal.SIGTERM), process.communicate()
            assert time.monotonic() < end, f"not within {PLENTY:g} s: {what}"
            time.sleep(0.1)
        return seen

    def ended(self, process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
        """Sends it the signal; its exit code and what it said."""
        process.send_signal(number)
        said = process.communicate(timeout=PLENTY)[1]
        return process.returncode, said

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def opened(self) -> App:
        """The environment, in this process."""
        os.environ["CUTOVER_HOME"] = str(self.shell.home)
        return open_environment(NAME, directory=self.shell.folder / "environments")
