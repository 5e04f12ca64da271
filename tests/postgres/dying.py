"""A process that forks children which die by SIGKILL at a named point of the switch; one request per line of stdin.

`prefix source target dead_man token point`, where `prefix` begins the variables of the DSNs and the point `stop:NAME` stops the child there instead; answers the child's pid when it
has reached the point.
"""

import os
import signal
import sys

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.postgres.session import Database
from cutover.postgres.switch import Fence, Switch


def child(prefix: str, source: str, target: str, point: str, dead_man: float, token: int) -> None:
    stop = point.startswith("stop:")

    def hook(name: str) -> None:
        if name == point.removeprefix("stop:"):
            os.kill(os.getpid(), signal.SIGSTOP if stop else signal.SIGKILL)

    def database(side: str) -> Database:
        variable = f"{prefix}_{side.upper()}_DSN"
        return Database(side, variable, lambda: os.environ[variable])

    killpoint.install(hook)
    fence = Fence(validate_changed=False, dead_man=dead_man)
    Switch(database(source), database(target), fence, lambda: token).run(Deadline.after(30.0))


def main() -> None:
    for line in sys.stdin:
        prefix, source, target, dead_man, token, point = line.rstrip("\n").split(" ", 5)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                child(prefix, source, target, point, float(dead_man), int(token))
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
