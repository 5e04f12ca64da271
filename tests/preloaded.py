"""Commands without their start: one process loads a program, and forks for every call that a small caller hands over.

`python -P preloaded.py SOCKET aws` runs with the interpreter of the aws client's own venv, `… invoke` with ours; both end
with their parent. What is called is the program's own entry, in a process of its own, in the caller's folder, with its
environment, arguments, input and output. The caller passes signals on and ends as the process did; when the caller is
killed, the process is, too.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

Entry = Callable[[], object]
LOADED = ("aws", "cli", "core", "environment", "metrics", "net", "plans", "postgres", "report", "runbook", "state")
"""Every module of these packages: what most commands need."""
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

CALLER = """#!{python} -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
said = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(said).to_bytes(8, "big")], [0, 1, 2])
server.sendall(said)
signals = {signals!r}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
pid = int.from_bytes(server.recv(4), "big")
if not pid:  # 0 would be our whole process group
    sys.exit("the preloaded command did not begin")
def pass_on(number, _):
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has just ended
        pass
for one in signals:
    signal.signal(one, pass_on)
signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
status = server.recv(4)
if not status:
    sys.exit("the preloaded command died")
code = os.waitstatus_to_exitcode(int.from_bytes(status, "big"))
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def caller(path: str) -> str:
    """The text of the command that hands its call to the server at `path`."""
    return CALLER.format(python=sys.executable, path=path, signals=tuple(int(one) for one in PASSED_ON))


def serve(path: str, entry: Entry, kept: dict[str, str]) -> None:
    """Answers until the parent has gone; `kept` are variables that the program set for itself when it was loaded."""
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    gc.freeze()  # what is loaded is never looked through again, so its pages stay shared
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(64)
        os.rename(f"{path}.new", path)  # who finds it is answered
        listener.settimeout(0.5)
        while os.getppid() == parent:
            try:
                called, _ = listener.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listener.close()
                _answer(called, entry, kept)
            called.close()


def _answer(called: socket.socket, entry: Entry, kept: dict[str, str]) -> None:
    """One call, in a fork of the server that lives as long as the command does."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        called.settimeout(10.0)
        length, files, _, _ = socket.recv_fds(called, 8, 3)
        with called.makefile("rb") as stream:
            said = stream.read(int.from_bytes(length, "big"))
        pid = os.fork()
        if pid == 0:
            called.close()
            _become(said, files, entry, kept)
        for file in files:
            os.close(file)
        called.sendall(pid.to_bytes(4, "big"))
        with os.fdopen(os.pidfd_open(pid)) as command:
            ready, _, _ = select.select([called, command], [], [])
            if command not in ready:  # the caller was killed
                os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        with suppress(BrokenPipeError):
            called.sendall(status.to_bytes(4, "big"))
    except BaseException:  # noqa: BLE001 - a fork that raised would go on as a second server
        traceback.print_exc()
    finally:
        os._exit(0)


def _become(said: bytes, files: list[int], entry: Entry, kept: dict[str, str]) -> None:
    """This process is the command from here on, and ends as an interpreter would."""
    code: object = 1
    try:
        code = _called(said, files, entry, kept)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        traceback.print_exc()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001 - whatever it is, the command ends here
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _called(said: bytes, files: list[int], entry: Entry, kept: dict[str, str]) -> int:
    """Calls the program as the caller would; its exit code."""
    sys.argv, folder, environment = json.loads(said)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment | kept)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())  # type: ignore[union-attr]
    try:
        code = entry()
    except SystemExit as end:
        code = end.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


def _aws() -> tuple[Entry, dict[str, str]]:
    import awscli.clidriver

    awscli.clidriver.create_clidriver()  # what a first call would load
    return awscli.clidriver.main, {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}


def _invoke() -> tuple[Entry, dict[str, str]]:
    """`cutover` where it is called so, else `invoke`."""
    from invoke.main import program

    import cutover.cli.main

    for package in LOADED:
        for module in pkgutil.iter_modules(
            importlib.import_module(f"cutover.{package}").__path__, f"cutover.{package}."
        ):
            importlib.import_module(module.name)

    def called() -> object:
        sys.path.insert(0, os.getcwd())
        if os.path.basename(sys.argv[0]) == "cutover":
            return cutover.cli.main.main()
        return program.run()

    return called, {}


if __name__ == "__main__":
    serve(sys.argv[1], *{"aws": _aws, "invoke": _invoke}[sys.argv[2]]())
