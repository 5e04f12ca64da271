"""A process that forks children which die by SIGKILL at a named point; one request per line of stdin, as JSON.

`point`, where `stop:NAME` stops the child there instead; `prefix` begins the variables with the DSNs. Either one switch
(`source`, `target`, `dead_man`, `token`), or a walk over the window's plan (`walk`: forward or back, `state`: the journal).
`NAME#2` is the second time that the point is reached. Answers the child's pid and how it ended; when it was stopped, once more when it has ended.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from moves import PLAIN, walk

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.postgres.session import Database
from cutover.postgres.switch import Switch
from cutover.world.bouncer import pool_of


def child(asked: dict[str, Any]) -> None:
    point = str(asked["point"])
    wanted, _, number = point.removeprefix("stop:").partition("#")
    left = int(number or 1)

    def hook(name: str) -> None:
        nonlocal left
        left -= name == wanted
        if name == wanted and left == 0:
            os.kill(os.getpid(), signal.SIGSTOP if point.startswith("stop:") else signal.SIGKILL)

    def database(side: str) -> Database:
        variable = f"{asked['prefix']}_{side.upper()}_DSN"
        return Database(side, variable, lambda: os.environ[variable])

    killpoint.install(hook)
    if "walk" in asked:
        pool = pool_of(asked["pool"]) if "pool" in asked else None
        walk(database("blue"), database("green"), Path(asked["state"]), asked["walk"], pool)
        return
    fence = replace(PLAIN, dead_man=asked["dead_man"])
    source, target = database(asked["source"]), database(asked["target"])
    Switch.one(source, target, fence, lambda: int(asked["token"])).run(Deadline.after(30.0))


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                child(json.loads(line))
                status = 0
            except Exception as error:  # noqa: BLE001 - what the child saw is told to the test
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, os.WUNTRACED)
        how = "stopped" if os.WIFSTOPPED(status) else "killed" if os.WIFSIGNALED(status) else "exited"
        print(pid, how, flush=True)
        if how == "stopped":
            _, status = os.waitpid(pid, 0)
            print(pid, os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
