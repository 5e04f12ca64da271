"""The commands about telling people: a test message, what is still due, and taking on what is critical."""

import time
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say
from cutover.cli.looking import ENV


@task(
    name="test",
    help={
        "env": ENV,
        "dry-run": "show the message and the channels, send nothing",
        "json": "one document on standard output",
    },
)
@ended
def notify_test(c: Context, env: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Send a test message through every channel and say which arrived; ends with 1 when one did not. Example: invoke notify.test --env prod"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.who import who
    from cutover.notices import tried
    from cutover.notify.proof import prove

    dry = is_dry(c, dry_run)
    app = opened(named(env), read_only=dry)
    desk = _desk(app)
    message = _test_message(app, who())
    if dry:
        say(f"{message.title}\n{message.text()}\nnot sent in a dry-run to: {', '.join(desk.channels)}")
        return
    found = tried(desk, message)
    state = app.state()
    try:
        for channel, error in found.items():
            prove(state, channel, who(), error)
    finally:
        state.close()
    if json:
        print_json(
            {
                "schema": "cutover.notify-test/1",
                "environment": app.environment.name,
                "channels": {name: {"delivered": not error, "error": error} for name, error in found.items()},
            }
        )
    else:
        for name, error in found.items():
            put(f"  {'✗' if error else '✓'} {name:<24} {error or 'delivered'}")
    if any(found.values()):
        raise Exit(code=1)


def _desk(app: Any) -> Any:
    from cutover.channels import desk_of
    from cutover.core.errors import ConfigurationRefused

    if not app.environment.notify.channels:
        raise ConfigurationRefused([f"{app.environment.name}: notify.channels names nobody to tell"])
    return desk_of(app)


def _test_message(app: Any, who: str) -> Any:
    from cutover.notify.message import Message, Severity
    from cutover.notify.texts import Texts

    name, now = app.environment.name, time.time()
    values = {"environment": name, "who": who}
    key = f"{name}/test/{now:.0f}"
    return Message(
        key=key,
        environment=name,
        run="",
        event="test",
        severity=Severity.INFO,
        title=Texts(app.environment.notify.texts).fill("test", values),
        at=now,
        incident=key,
        next_command=f"invoke status --env {name}",
    )


@task(
    name="announce",
    help={
        "env": ENV,
        "when": 'the planned time with its zone, such as "2026-12-01 02:00 UTC"',
        "dry-run": "show the message and the channels, send nothing",
        "json": "one document on standard output",
    },
)
@ended
def notify_announce(c: Context, env: str = "", when: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Tell people of the planned time, and print the text for users; again, it goes to who has not heard. Example: invoke notify.announce --env prod --when "2026-12-01 02:00 UTC" """
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.errors import ConfigurationRefused
    from cutover.core.who import who
    from cutover.notices import announce
    from cutover.notify.announced import Announcement, moment

    dry = is_dry(c, dry_run)
    app = opened(named(env), read_only=dry)
    desk, now = _desk(app), time.time()
    announcement = Announcement(app.environment.name, moment(when, now), who(), now)
    message = announcement.message(desk)
    wanted = [channel for _, channel in desk.dues(message)]
    if not wanted:
        reason = "no channel wants `announced`: name it in the events of a route under notify.routes"
        raise ConfigurationRefused([f"{app.environment.name}: {reason}"])
    found: dict[str, str] = {}
    if dry:
        say(f"{message.title}\nnot sent in a dry-run to: {', '.join(wanted)}")
    else:
        state = app.state()
        try:
            found = announce(desk, state, announcement)
        finally:
            state.close()
    channels = {name: {"delivered": not dry and not found.get(name), "error": found.get(name, "")} for name in wanted}
    if json:
        document = {"schema": "cutover.announcement/1", "environment": app.environment.name, "when": announcement.when}
        print_json({**document, "key": message.key, "users": message.users, "channels": channels})
    else:
        for name in [] if dry else wanted:
            said = found.get(name, "has it already") or "delivered"
            put(f"  {'✗' if found.get(name) else '✓'} {name:<24} {said}")
        put(f"For users: {message.users}")
    if any(found.values()):
        say(f"send it again to the others: invoke notify.send --env {app.environment.name}")
        raise Exit(code=1)


@task(help={"env": ENV})
@ended
def send(c: Context, env: str = "") -> None:
    """Send what people of the last run were not told yet, and what time has made due; for a timer, too. Example: invoke notify.send --env prod"""
    from cutover.cli.opening import conducted, is_dry, named, opened

    app = opened(named(env), read_only=is_dry(c, False))
    _desk(app)
    if app.means.read_only:
        say("nothing is sent in a dry-run; what is due: invoke status")
        return
    planned, left, ran = _announced_again(app)
    if ran or not planned:
        with conducted(app) as conductor:
            left += sum(conductor.tell()["due"].values())
    say(f"{left} message{'s' if left != 1 else ''} still due" if left else "everybody was told")
    if left:
        raise Exit(code=1)


def _announced_again(app: Any) -> tuple[int, int, bool]:
    """Sends what is planned to who has not heard of it; how many times are planned, how many messages are left, and whether there is a run."""
    from cutover.notices import announce
    from cutover.notify.announced import announced

    state = app.recorded()
    if state is None:
        return 0, 0, False
    try:
        # Only the newest: a time that was changed meanwhile must not be the last that somebody hears.
        planned = [one for one in announced(state, app.environment.name)[-1:] if one.when > time.time()]
        errors = [error for one in planned for error in announce(_desk(app), state, one).values() if error]
        return len(planned), len(errors), bool(state.entries())
    finally:
        state.close()


@task(help={"env": ENV + "; the only one with an active run when left out"})
@ended
def acknowledge(c: Context, env: str = "") -> None:
    """Say that you take on what is critical: nobody else is woken for it. Example: invoke acknowledge --env prod"""
    from cutover.cli.opening import is_dry, opened, with_active_run
    from cutover.core.who import who
    from cutover.notices import acknowledged, tried

    app = opened(with_active_run(env), read_only=is_dry(c, False))
    desk = _desk(app)
    state = app.state()
    try:
        message = acknowledged(desk, state, who(), write=not app.means.read_only)
    finally:
        state.close()
    if message is None:
        say("nothing critical is open")
        return
    if app.means.read_only:
        say(f"would acknowledge {message.incident}; nothing is sent in a dry-run")
        return
    say(f"{message.incident} is yours; nobody else is woken for it by cutover")
    failed = {name: error for name, error in tried(desk, message, routed=True).items() if error}
    for name, error in failed.items():
        say(f"  {name} does not know of it: {error}")
    if failed:
        raise Exit(code=1)


def notices_of(app: Any, view: Any) -> dict[str, Any]:
    """How telling stands of one run, for `status`; nothing where nobody is told."""
    from cutover.channels import desk_of
    from cutover.notify.record import undelivered

    if not app.environment.notify.channels:
        return {}
    return {"notices": undelivered(desk_of(app), view.run, view.entries)}


def print_notices(name: str, notices: dict[str, Any] | None) -> None:
    """What `status` says about telling: what is critical, what is still due, and what was given up."""
    if notices is None:
        return
    if notices["incident"]:
        put(f"  critical and open: {notices['incident']}; take it on: invoke acknowledge --env {name}")
    if notices["due"]:
        due = ", ".join(f"{channel} ({count})" for channel, count in notices["due"].items())
        put(f"  not told yet: {due}; send: invoke notify.send --env {name}")
    for one in notices["given_up"]:
        put(f"  given up on {one['channel']}: {one['title'] or one['key']} ({one['error']})")
