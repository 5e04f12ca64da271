"""Writers that behave like an application, and a watch that no moment has two writable sides."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from moves import caught_up_both, until

from cutover.postgres.session import Database

PAUSE = 0.002  # between two writes of one writer, so that the tests' two cores are not all writers


class Writer(threading.Thread):
    """Writes rows with keys of its own by the application's route; a key is retried until it is acknowledged."""

    def __init__(self, dsn: str | Callable[[], str], name: str, *, churn: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self._dsn, self._churn = dsn, churn
        self._stopped = threading.Event()
        self.acknowledged: list[uuid.UUID] = []
        self.errors: list[str] = []

    def run(self) -> None:
        connection: psycopg.Connection[tuple[Any, ...]] | None = None
        while not self._stopped.is_set():
            key = uuid.uuid4()
            while True:
                try:
                    if connection is None or connection.closed:
                        dsn = self._dsn if isinstance(self._dsn, str) else self._dsn()
                        connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
                    self._write(connection, key)
                    self.acknowledged.append(key)
                    break
                except psycopg.Error as error:
                    self.errors.append(f"{error.sqlstate}: {str(error).splitlines()[0]}")
                    if connection is not None:
                        connection.close()
                    connection = None
                    if self._stopped.wait(0.01):
                        return
            self._stopped.wait(PAUSE)
        if connection is not None:
            connection.close()

    def _write(self, connection: psycopg.Connection[tuple[Any, ...]], key: uuid.UUID) -> None:
        connection.execute(
            "INSERT INTO public.probe (key, writer) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING", [key, self.name]
        )
        if not self._churn:
            return
        number = len(self.acknowledged) % 5 + 1
        # Rows that go back to what they were, and rows that live for a moment only, are in flight and no difference.
        for state in ("odd", "even"):
            connection.execute("UPDATE public.queue SET state = %s WHERE id = %s", [state, number])
        # A switch between this and the next statement leaves the row; the retry must not stumble over it.
        connection.execute("INSERT INTO public.queue VALUES (%s, 'moment') ON CONFLICT DO NOTHING", [10 + number])
        connection.execute("DELETE FROM public.queue WHERE id = %s", [10 + number])
        connection.execute("INSERT INTO public.notes VALUES ('churn', 1.0)")

    def stop(self) -> None:
        self._stopped.set()


class OneWriterWatch(threading.Thread):
    """Asks both sides for a write all the time; `violations` is filled when both accept one.

    With `crashes` a server that goes away is waited for, otherwise it is an `error`.
    """

    def __init__(self, blue: Database, green: Database, *, crashes: bool = False) -> None:
        super().__init__(name="one-writer-watch", daemon=True)
        self._sides = (blue, green)
        self._crashes = crashes
        self._stopped = threading.Event()
        self.violations: list[str] = []
        self.looks = 0
        self.error: Exception | None = None

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch()
            except psycopg.OperationalError as error:
                if not self._crashes:
                    self.error = error
                    return
                self._stopped.wait(0.02)
            except psycopg.Error as error:
                self.error = error
                return

    def _watch(self) -> None:
        with ExitStack() as stack:
            blue, green = (
                stack.enter_context(psycopg.connect(
                    side.resolve(), autocommit=True, application_name="cutover watch", connect_timeout=5,
                    options="-c default_transaction_read_only=off -c lock_timeout=100ms",
                )) for side in self._sides
            )  # fmt: skip
            while not self._stopped.wait(0.004):
                # The looks are not simultaneous: blue must accept a write before and after green did.
                if _accepts(blue) and _accepts(green) and _accepts(blue):
                    self.violations.append("both sides accepted a write")
                self.looks += 1

    def stop(self) -> None:
        self._stopped.set()


def _accepts(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    try:
        connection.execute("UPDATE public.probe SET n = n WHERE false")
    except psycopg.errors.ReadOnlySqlTransaction:
        return False
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        return False
    return True


@contextmanager
def load(
    pair: Any, *, writers: int = 2, churn: bool = False, crashes: bool = False, dsn: str | Callable[[], str] = ""
) -> Iterator[list[Writer]]:
    """Writers and the watch around the body; afterwards nothing acknowledged is lost, and nothing is doubled."""
    watch = OneWriterWatch(pair.blue, pair.green, crashes=crashes)
    threads = [Writer(dsn or pair.app_dsn, f"writer-{i}", churn=churn) for i in range(writers)]
    for thread in (*threads, watch):
        thread.start()
    try:
        writing(threads)
        until(lambda: bool(watch.looks or watch.error), 60.0, "a first look of the watch at both sides")
        yield threads
        writing(threads)
    finally:
        watch.stop()
        for writer in threads:
            writer.stop()
        for thread in (*threads, watch):
            thread.join(timeout=10.0)
    assert watch.error is None and watch.looks, watch.error
    assert not watch.violations
    check(pair, threads)


def writing(threads: list[Writer], seconds: float = 60.0) -> None:
    """Waits until every writer has had a new row acknowledged."""
    counts = [len(thread.acknowledged) for thread in threads]
    until(
        lambda: all(len(t.acknowledged) > c + 1 for t, c in zip(threads, counts, strict=True)),
        seconds,
        "a newly acknowledged write of every writer",
    )


def check(pair: Any, threads: list[Writer]) -> None:
    caught_up_both(pair.blue, pair.green)
    wanted = {key for thread in threads for key in thread.acknowledged}
    for side in ("blue", "green"):
        found = [key for (key,) in pair.sql(side, "SELECT key FROM public.probe")]
        assert not wanted - set(found), f"{len(wanted - set(found))} acknowledged rows are lost on {side}"
        assert len(found) == len(set(found))
    numbers = [pair.sql(side, "SELECT key, n FROM public.probe ORDER BY key") for side in ("blue", "green")]
    assert numbers[0] == numbers[1], "the sides differ"
