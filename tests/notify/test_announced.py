"""Maintenance that is planned: when that is, who has heard of it, and that nobody hears of it twice without need."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from notify.toy import Kept

from cutover.core.errors import ConfigurationRefused
from cutover.notices import announce
from cutover.notify.announced import Announcement, announced, moment, unheard
from cutover.notify.desk import Desk
from cutover.notify.message import Severity
from cutover.notify.route import Route
from cutover.notify.texts import Texts
from cutover.state.sqlite import SqliteState

NOW = 1_796_000_000.0  # 2026-11-29 23:33:20 UTC
NIGHT = 1_796_085_600.0  # 2026-12-01 00:40 UTC


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    found = SqliteState(tmp_path / "state.sqlite")
    yield found
    found.close()


def desk(**channels: Kept) -> Desk:
    return Desk(
        environment="toy",
        channels=channels,
        routes=[
            Route(("chat",), Severity.INFO),
            Route(("pager",), Severity.CRITICAL),
            Route(("mail",), None, ("announced",)),
        ],
        texts=Texts({"users-announced": "Closed from {when}."}),
    )


def test_the_time_is_read_with_its_zone() -> None:
    same = ("2026-12-01 00:40 UTC", "2026-12-01T00:40Z", "2026-12-01 01:40 +01:00", " 2026-11-30 19:10:00-0530 ")
    assert {moment(written, NOW) for written in same} == {NIGHT}
    assert Announcement("toy", NIGHT, "ann", NOW).moment == "2026-12-01 00:40 UTC"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "cannot be read"),
        ("tomorrow night", "cannot be read"),
        ("01.12.2026 02:00 UTC", "cannot be read"),
        ("2026-12-01 02:00", "has no time zone"),
        ("2026-12-01 02:00 CET", "cannot be read"),
        ("2026-13-01 02:00 UTC", "is no time that there is"),
        ("2026-12-01 25:00 UTC", "is no time that there is"),
        ("2026-12-01 02:00 +99:00", "is no time that there is"),
        ("2026-11-29 23:33 UTC", "lies in the past: 2026-11-29 23:33 UTC"),
        ("2062-12-01 02:00 UTC", "is more than a year ahead"),
    ],
)
def test_what_is_no_time_to_come_is_refused(written: str, why: str) -> None:
    with pytest.raises(ConfigurationRefused, match=why):
        moment(written, NOW)


def test_it_goes_to_the_channels_that_want_it_and_only_once(state: SqliteState) -> None:
    chat, pager, mail = Kept(), Kept(), Kept(fails=1)
    people = desk(chat=chat, pager=pager, mail=mail)
    planned = Announcement("toy", NIGHT, "ann", NOW)
    assert announce(people, state, planned) == {"chat": "", "mail": "not today"}
    assert unheard(state, people, planned) == ["mail"]
    # Typed again, by somebody else: only who has not heard of it does.
    assert announce(people, state, Announcement("toy", NIGHT, "bob", NOW + 60)) == {"mail": ""}
    assert announce(people, state, planned) == {}
    assert (chat.keys, mail.keys, pager.keys) == (
        [f"toy/announced/20261201T0040Z/{NOW:.3f}"],
        [f"toy/announced/20261201T0040Z/{NOW:.3f}"],
        [],
    )
    assert chat.got[0].title == "toy: maintenance is planned for 2026-12-01 00:40 UTC"
    assert chat.got[0].users == "Closed from 2026-12-01 00:40 UTC."
    assert [(one.who, one.when) for one in announced(state, "toy")] == [("ann", NIGHT)]
    later = Announcement("toy", NIGHT + 3600, "ann", NOW + 120)
    assert set(announce(people, state, later)) == {"chat", "mail"}
    assert [one.when for one in announced(state, "toy")] == [NIGHT, NIGHT + 3600]
    # And back to the first time: who has heard of the later one has to hear of it.
    assert set(announce(people, state, Announcement("toy", NIGHT, "ann", NOW + 180))) == {"chat", "mail"}
    assert [one.when for one in announced(state, "toy")] == [NIGHT, NIGHT + 3600, NIGHT]
    assert state.entries() == [] and state.holder() is None


def test_what_was_planned_is_kept_before_anybody_is_told(state: SqliteState) -> None:
    """Killed while it is sent, the next `notify.send` finds it."""

    class Dying(Kept):
        def takes(self, message: object) -> bool:
            raise KeyboardInterrupt

    planned = Announcement("toy", NIGHT, "ann", NOW)
    with pytest.raises(KeyboardInterrupt):
        announce(desk(chat=Dying(), pager=Kept(), mail=Kept()), state, planned)
    people = desk(chat=Kept(), pager=Kept(), mail=Kept())
    (found,) = announced(state, "toy")
    assert found == planned and unheard(state, people, found) == ["chat", "mail"]
