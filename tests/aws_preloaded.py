"""The aws command without its start: one process loads the client, and forks for every call that a small `aws` hands over.

Runs with the interpreter of the aws client's own venv (`python aws_preloaded.py SOCKET`), and ends with its parent. What is
called is the client's own entry, in the caller's folder, with its environment, arguments, input and output.
"""

import json
import os
import signal
import socket
import sys
import traceback
from types import ModuleType

CALLER = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
said = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(said).to_bytes(8, "big")], [0, 1, 2])
server.sendall(said)
code = server.recv(1)
sys.exit(code[0] if code else "the preloaded aws command died")
"""


def caller(path: str) -> str:
    """The text of the `aws` that hands its call to the server at `path`."""
    return CALLER.format(python=sys.executable, path=path)


def serve(path: str, clidriver: ModuleType) -> None:
    """Answers until the parent has gone."""
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        listener.settimeout(0.5)
        while os.getppid() == parent:
            try:
                caller, _ = listener.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listener.close()
                _answer(caller, clidriver)
            caller.close()


def _answer(caller: socket.socket, clidriver: ModuleType) -> None:
    code = 255
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        caller.settimeout(10.0)
        length, files, _, _ = socket.recv_fds(caller, 8, 3)
        with caller.makefile("rb") as stream:
            sys.argv, folder, environment = json.loads(stream.read(int.from_bytes(length, "big")))
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(folder)
        models = os.environ["AWS_DATA_PATH"]  # set by the client itself when it was loaded
        os.environ.clear()
        os.environ.update(environment, AWS_DATA_PATH=models)
        try:
            code = clidriver.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a fork that raised would go on as a second server
        traceback.print_exc()  # to the caller's standard error, or to ours if it fails before
    finally:
        caller.sendall(bytes([code & 255]))
        os._exit(0)


if __name__ == "__main__":
    import awscli.clidriver

    awscli.clidriver.create_clidriver()  # what a first call would load
    serve(sys.argv[1], awscli.clidriver)
