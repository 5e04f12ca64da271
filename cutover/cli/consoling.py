"""The command that serves the operator console."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say
from cutover.cli.looking import ENV


@task(
    help={
        "env": ENV,
        "port": "of 127.0.0.1; without it console.port, or any that is free",
        "read-only": "nobody may do anything",
        "invite": "a link for somebody else too, named as in the journal; give it again for more",
    },
    iterable=["invite"],
)
@ended
def console(c: Context, env: str = "", port: int = 0, read_only: bool = False, invite: list[str] | None = None) -> None:
    """Serve a page on 127.0.0.1 that shows the run, until Ctrl-C; Enter prints new links. Example: invoke console --env prod --invite anna"""
    from cutover.cli.opening import is_dry, named, opened
    from cutover.console.commands import Commands
    from cutover.console.people import person
    from cutover.console.reader import Reader
    from cutover.console.server import Console
    from cutover.core.errors import ConfigurationRefused
    from cutover.core.who import who

    if not 0 <= port <= 65_535:
        raise ConfigurationRefused(["--port must be from 1 to 65535"])
    app = opened(named(env), read_only=True)
    words, looks = app.environment.console, read_only or is_dry(c, False)
    people = [person(who(), words.people, starts=True, read_only=looks)]
    people += [person(name, words.people, read_only=looks) for name in invite or ()]
    with Reader(app) as shown:
        acts = Commands(app.environment.name, shown.holder, app.means.state_dir / "console" / app.environment.name)
        shown.asked = acts.told
        served = Console(shown, acts, proxied=words.hosts, heard=say)
        served.open(port or words.port or 0)
        served.begun = lambda: _invited(served, people)
        with _ended_by_signals(served.end):
            served.serve()


def _invited(served: Any, people: Sequence[Any]) -> None:
    """Prints the links, and again whenever Enter is typed; called in the server's loop."""
    import asyncio

    _print_links(served, people)
    if not sys.stdin.isatty():
        return
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def typed() -> None:
        if not sys.stdin.readline():  # Ctrl-D: nobody types any more
            loop.remove_reader(terminal)
            return
        _print_links(served, people)

    loop.add_reader(terminal, typed)


def _print_links(served: Any, people: Sequence[Any]) -> None:
    from cutover.console.people import rights

    again = "; Enter prints new ones" if sys.stdin.isatty() else ""
    say(
        f"the console of {served.shown.environment}; each link lets one person in, once, within 10 minutes{again}; Ctrl-C ends it"
    )
    for one in people:
        print(f"{served.link(one)}  {one.name} ({rights(one)})", flush=True)


@contextmanager
def _ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the console, which is its ordinary end."""
    kept = {
        number: signal.signal(number, lambda *_: end()) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
