"""What the page is made of, over a real journal: it follows, it asks for nothing while nobody looks, and it bears trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from cli.shell import Shell
from cli.waiting_run import GATE, NAME, RUN, WaitingRun

from cutover.console import reader as reading
from cutover.console.known import Known
from cutover.console.reader import Reader
from cutover.core.errors import Unreachable
from cutover.runs import Conductor
from cutover.state.sqlite import SqliteState

PLENTY = 30.0


@pytest.fixture
def waiting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingRun]:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    run = WaitingRun(shell)
    yield run
    run.close()


def read(waiting: WaitingRun) -> Reader:
    return Reader(waiting.opened(), often=0.02)


def html(reader: Reader, name: str) -> str:
    return reader.panels()[name][1]


def comes(reader: Reader, so: Callable[[], bool]) -> None:
    """Waits for the reader's word that something is another, until it is so."""
    changed = threading.Event()
    reader.on_change(changed.set)
    end = time.monotonic() + PLENTY
    while not so():
        assert changed.wait(max(0.0, end - time.monotonic())), f"it did not come to be so: {reader.panels()}"
        changed.clear()


def write(waiting: WaitingRun, *entries: tuple[str, dict[str, object]]) -> None:
    app = waiting.opened()
    with Conductor(app).leased("cutover") as state:
        for kind, data in entries:
            state.append(RUN, kind, data, app.lease[-1])
    app.close()


def test_it_follows_a_journal_that_begins_after_it(waiting: WaitingRun) -> None:
    (waiting.shell.folder / "environments" / f"{NAME}.yaml").write_text("name: asked\n", encoding="utf-8")
    waiting.begin()
    (waiting.shell.home / f"{NAME}.sqlite").rename(waiting.shell.home / "aside")
    for rest in waiting.shell.home.glob(f"{NAME}.sqlite-*"):
        rest.unlink()
    with read(waiting) as reader:
        assert "no run" in html(reader, "head") and reader.newest() == 0 and reader.lines() == []
        assert "Begin the cutover" in html(reader, "controls")
        (waiting.shell.home / "aside").rename(waiting.shell.home / f"{NAME}.sqlite")
        comes(reader, lambda: RUN in html(reader, "head"))
        assert [line.seq for line in reader.lines()] == [entry.seq for entry in waiting.entries()]


def test_every_entry_is_a_line_once_and_panels_follow(waiting: WaitingRun) -> None:
    waiting.begin()
    with read(waiting) as reader:
        before = reader.newest()
        version, _ = reader.panels()["decide"]
        assert "Who must decide" not in html(reader, "decide")
        write(
            waiting,
            ("leg-started", {"direction": "forward", "plan": "cutover", "digest": "0", "who": "ann"}),
            ("waiting", {"gate": GATE, "verdict": "insufficient", "seen": "waits for decision"}),
        )
        comes(reader, lambda: reader.newest() == before + 2 and "Who must decide" in html(reader, "decide"))
        assert reader.panels()["decide"][0] > version
        assert "decision" in html(reader, "decide") and "invoke approve" in html(reader, "decide")
        assert "not the one that the run was begun with" in html(reader, "head"), "the digest is not this plan's"
        seqs = [line.seq for line in reader.lines(most=10_000)]
        assert seqs == sorted(set(seqs)) and len(seqs) == len(waiting.entries())
        assert [line.seq for line in reader.lines(after=before)] == [before + 1, before + 2]
        assert [line.seq for line in reader.lines(before=before, most=2)] == [before - 2, before - 1]


def test_who_has_signed_is_seen_without_an_entry(waiting: WaitingRun) -> None:
    waiting.begin()
    write(
        waiting,
        ("leg-started", {"direction": "forward", "plan": "cutover", "digest": "0", "who": "ann"}),
        ("waiting", {"gate": GATE, "verdict": "insufficient", "seen": "waits"}),
    )
    with read(waiting) as reader:
        assert "has not said anything" in html(reader, "decide")
        waiting.shell.invoke("approve", "--env", NAME, "--role", "decision", "--comment", "lag <is> 0").ended(0)
        comes(reader, lambda: "lag &lt;is&gt; 0" in html(reader, "decide"))
        assert "has not said anything" not in html(reader, "decide")


def test_a_journal_that_is_another_one_is_read_from_its_beginning(
    waiting: WaitingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.console.known.REOPENED", 0.0)
    waiting.begin()
    with read(waiting) as reader:
        assert reader.newest() > 5
        for file in waiting.shell.home.glob(f"{NAME}.sqlite*"):
            file.unlink()
        state = SqliteState(waiting.shell.home / f"{NAME}.sqlite")
        lease = state.acquire(who="bob", operation="cutover")
        state.append("other", "leg-started", {"direction": "forward", "plan": "cutover", "digest": "0"}, lease)
        state.release(lease)
        state.close()
        comes(reader, lambda: [line.seq for line in reader.lines()] == [1] and "other" in html(reader, "head"))


def test_a_journal_that_was_tampered_with_is_said_and_what_was_known_stays(waiting: WaitingRun) -> None:
    import sqlite3

    waiting.begin()
    with read(waiting) as reader:
        known = reader.newest()
        write(waiting, ("leg-resumed", {"who": "ann"}))
        comes(reader, lambda: reader.newest() == known + 1)
        db = sqlite3.connect(waiting.shell.home / f"{NAME}.sqlite")
        db.executescript(
            "DROP TRIGGER entries_stay; UPDATE entries SET kind = 'x' WHERE seq = (SELECT max(seq) FROM entries)"
        )
        db.executescript(
            "INSERT INTO entries SELECT seq + 1, run, at, token, kind, data, hash, 'h' FROM entries ORDER BY seq DESC LIMIT 1"
        )
        db.close()
        comes(reader, lambda: "was changed" in html(reader, "head"))
        assert reader.newest() == known + 1 and RUN in html(reader, "head")


def test_nothing_is_asked_of_the_world_while_no_page_is_open(
    waiting: WaitingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOKED_AT", 0.0)
    waiting.begin()
    with read(waiting) as reader:
        for _ in range(3):
            before = reader.newest()
            write(waiting, ("leg-resumed", {"who": "ann"}))
            comes(reader, lambda before=before: reader.newest() > before)  # type: ignore[misc]
        assert not [one.name for one in threading.enumerate() if one.name.startswith("console-shares")]
        monkeypatch.setattr(reading, "LOOKED_AT", 60.0)
        reader.page()
        comes(reader, lambda: "10 %" in html(reader, "sides"))


def test_entries_of_another_version_are_shown_and_nobody_takes_the_rest_for_the_present(waiting: WaitingRun) -> None:
    waiting.begin()
    with read(waiting) as reader:
        known = reader.newest()
        write(waiting, ("leg-started", {"whither": "sideways"}))
        comes(reader, lambda: reader.newest() == known + 1 and "not understood" in html(reader, "head"))
        assert "sideways" in reader.lines(most=1)[0].html and RUN in html(reader, "head")
        write(waiting, ("phase-entered", {"phase": "x", "budget": None}))
        comes(reader, lambda: reader.newest() == known + 2)
        assert "not understood" in html(reader, "head"), "it stays said"


def test_what_cannot_be_shown_ends_nothing(waiting: WaitingRun) -> None:
    waiting.begin()
    with read(waiting) as reader:
        known = reader.newest()
        odd: dict[str, object] = {"guard": "g", "seen": "s", "seconds": "soon", "then": "hold"}
        write(waiting, ("leg-resumed", {"who": "ann"}), ("standing", odd))
        comes(reader, lambda: reader.newest() == known + 2 and "cannot be shown" in html(reader, "head"))
        write(waiting, ("standing-ended", {"guard": "g", "outcome": "well", "seen": "s"}))
        comes(reader, lambda: reader.newest() == known + 3 and "cannot be shown" not in html(reader, "head"))


def test_what_was_asked_for_is_seen_until_it_is_heeded(waiting: WaitingRun) -> None:
    waiting.begin()
    with read(waiting) as reader:
        assert "asked for" not in html(reader, "now")
        waiting.shell.invoke("hold", "--env", NAME, "--reason", "lunch <first>").ended(0)
        comes(reader, lambda: "asked for <strong>hold</strong>: lunch &lt;first&gt;" in html(reader, "now"))


def test_a_share_that_could_not_be_observed_is_not_shown_as_observed(waiting: WaitingRun) -> None:
    waiting.begin()
    with read(waiting) as reader:
        reader.page()
        comes(reader, lambda: "10 %</td>" in html(reader, "sides"))
        waiting.flag.rename(waiting.flag.with_name("aside"))
        waiting.flag.mkdir()
        comes(reader, lambda: "not observed since" in html(reader, "sides"))


def test_a_file_that_was_edited_since_is_told(waiting: WaitingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting.begin()
    monkeypatch.chdir(waiting.shell.folder)
    with read(waiting) as reader:
        file = waiting.shell.folder / "environments" / f"{NAME}.yaml"
        file.write_text(file.read_text(encoding="utf-8") + "# another\n", encoding="utf-8")
        comes(reader, lambda: "start it again" in html(reader, "head"))


def test_a_store_that_does_not_answer_for_a_moment_is_no_other_journal(
    waiting: WaitingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting.begin()
    known = Known(waiting.opened())
    assert known.read() and known.view is not None and not known.trouble
    with monkeypatch.context() as patched:
        patched.setattr(SqliteState, "newer", _silent_once())
        known.read()
        assert "no answer" in known.trouble and known.replaced is None and known.view is not None
    assert known.read(), "it answers again"
    assert not known.trouble and known.replaced is None
    known.close()


def _silent_once() -> Callable[..., object]:
    whole, asked = SqliteState.newer, list[object]()

    def newer(state: SqliteState, than: object) -> object:
        asked.append(than)
        if len(asked) == 1:
            raise Unreachable("no answer")
        return whole(state, than)  # type: ignore[arg-type]

    return newer
