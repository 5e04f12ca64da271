"""A second process that ends the window when the first one dies or hangs; nobody must be awake for writes to come back.

It is started, has read everything and said so, before the window begins. It holds the other end of a pipe: an end of
file without a word means that the worker is dead, silence for STALL seconds means that it hangs (it is killed then). A
thread of the worker beats through a long check; it falls silent when nothing has happened for longer than any may take.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from cutover.app import App, adopt, open_environment
from cutover.aws.session import OBSERVE_SECONDS
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseHeld
from cutover.core.walk import Event, Listener
from cutover.runs import Conductor

START = 30.0  # seconds that the supervisor may take to get ready
READING = 15.0  # of these, at most so many for the journal
STALL = 10.0  # seconds without a sign of life
PULSE = 1.0  # seconds between two beats of a worker that is busy with one thing
BEAT, DISMISSED = b"b", b"q"


class SupervisorMissing(CutoverError):
    """The supervisor did not start, so the window was not entered."""

    exit_code = 5


class ProcessSupervisor:
    """Starts `python -m cutover.supervision` for a supervised phase and keeps telling it that we are alive."""

    def __init__(self, app: App, run: str) -> None:
        self._app, self._run = app, run
        # On this machine, wherever the journal is: it is for who looks after a dead worker here.
        self._log = app.means.state_dir / f"{app.environment.name}.supervisor.log"
        self._pipe: IO[bytes] | None = None
        self._heard = time.monotonic()

    def beating(self, listen: Listener) -> Listener:
        """`listen`, and a sign of life with every event."""

        def both(event: Event) -> None:
            self._heard = time.monotonic()
            self._say(BEAT)
            listen(event)

        return both

    @contextmanager
    def watch(self, phase: str, budget: float, *, ready_first: bool) -> Iterator[None]:
        """The supervisor stands by while the body runs; with `ready_first` raises SupervisorMissing when it does not get ready."""
        child = self._start(phase)
        if ready_first:
            self._await_ready(child)
        self._pipe, self._heard = child.stdin, time.monotonic()
        over = threading.Event()
        pulse = threading.Thread(target=self._pulse, args=(over, budget), name="pulse", daemon=True)
        pulse.start()
        word: bytes | None = None  # anything but an orderly end leaves the phase to the supervisor
        try:
            yield
            word = DISMISSED
        except CutoverError:
            word = DISMISSED
            raise
        finally:
            over.set()
            pulse.join()
            if word is not None:
                self._say(word)
            self._pipe = None
            with suppress(OSError):
                if child.stdin is not None:
                    child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=5.0)
            if child.stdout is not None:
                child.stdout.close()

    def _start(self, phase: str) -> subprocess.Popen[bytes]:
        lease = self._app.lease[-1]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CUTOVER_KILL")}
        self._log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "cutover.supervision", self._app.environment.name, self._run, phase, lease.id],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environ,
                start_new_session=True,  # Ctrl-C at the terminal must not reach it
            )
        return child

    def _await_ready(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], START)
        if not ready or child.stdout.readline().strip() != b"ready":
            child.kill()
            child.wait()
            raise SupervisorMissing(f"the supervisor did not start within {START:g} s; see {self._log}")

    def _pulse(self, over: threading.Event, budget: float) -> None:
        # A worker whose main thread hangs must not look alive for ever: no check takes longer than these together.
        longest = max(budget, self._app.environment.smoke.timeout) + STALL
        while not over.wait(PULSE):
            if time.monotonic() - self._heard < longest:
                self._say(BEAT)

    def _say(self, word: bytes) -> None:
        if self._pipe is not None:
            with suppress(OSError):
                os.write(self._pipe.fileno(), word)


def supervise(app: App, run: str, listen: Listener) -> tuple[ProcessSupervisor, Listener]:
    """A supervisor for one run, and the listener that keeps it informed."""
    supervisor = ProcessSupervisor(app, run)
    return supervisor, supervisor.beating(listen)


def main(arguments: list[str]) -> int:
    """The supervisor process: environment, run, phase and the lease that it may take over."""
    environment, run, phase, lease = arguments
    worker = os.getppid()
    app = open_environment(environment)
    adopt(app)
    app.plan.digest()  # everything that is imported late is imported now
    _look_once(app)
    with suppress(BrokenPipeError):  # nobody waits for it where the window was open already
        print("ready", flush=True)
    _log(f"standing by for {phase} of run {run}, worker {worker}")
    if _worker_says_done(worker):
        app.close()
        return 0
    try:
        outcome = Conductor(app, listen=lambda event: _log(f"{event.kind} {dict(event.data)}")).recover(
            run, phase, lease
        )
    except LeaseHeld as error:
        _log(f"somebody else is at it already: {error.message}")
        return 0
    except CutoverError as error:
        _log(f"stopped: {error.message}; a person is needed: invoke resume --env {environment}")
        return error.exit_code
    _log(f"{phase} ended: {outcome}")
    return 0


def _worker_says_done(worker: int) -> bool:
    """Waits for the worker's word; False when it died or was killed for hanging."""
    last = time.monotonic()
    while True:
        ready, _, _ = select.select([0], [], [], 0.5)
        if ready:
            words = os.read(0, 65536)
            if DISMISSED in words:
                return True
            if not words:
                _log("the worker died")
                return False
            last = time.monotonic()
        elif time.monotonic() - last > STALL:
            _log(f"no sign of life for {STALL:g} s: the worker is killed")
            if os.getppid() == worker:
                os.kill(worker, signal.SIGKILL)
            return False


def _look_once(app: App) -> None:
    """Asks all that is asked only once, so that it is known before the window and not in it: whose credentials these are, where
    the state is, who holds the lease, and what the journal says so far. What was opened for it stays open."""
    for aws in (app.place.aws, app.means.aws):
        try:
            aws.prove_account(Deadline.after(OBSERVE_SECONDS))
        except CutoverError as error:
            _log(f"whose credentials these are is not known now: {error.message}")
    reading = threading.Thread(target=_read_state, args=(app,), name="state", daemon=True)
    reading.start()
    reading.join(READING)  # a long journal is read on while we stand by: the worker does not wait for ever


def _read_state(app: App) -> None:
    try:
        state = app.place.open()
        app.opened.append(state)
        state.holder()
        state.entries()
    except CutoverError as error:
        _log(f"the store does not answer now: {error.message}")


def _log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
