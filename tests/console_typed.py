"""`invoke console` as a process, and a browser that its link lets in."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import preloading

if TYPE_CHECKING:
    from playwright.sync_api import Page

LINK = re.compile(r"(http://127\.0\.0\.1:\d+/#\S+)")


@contextmanager
def console_on(page: Page, folder: Path, variables: Mapping[str, str], env: str, *args: str) -> Iterator[None]:
    """A console that serves `env`, opened on this page; the page is left before it ends, or it would complain of that."""
    with console_link(folder, variables, env, *args) as link:
        page.goto(link)
        page.locator("#connection.live").wait_for(timeout=30_000)
        yield
        page.goto("about:blank")


@contextmanager
def console_link(folder: Path, variables: Mapping[str, str], env: str, *args: str) -> Iterator[str]:
    """The first link of a console that serves `env`; the console is ended afterwards."""
    process = subprocess.Popen(
        [preloading.invoke(), "console", "--env", env, *args],
        cwd=folder,
        env={**variables, "CUTOVER_WHO": "ann@desk"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = LINK.match(line)
        assert found is not None, line + process.stderr.read()
        yield found[1]
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0 and "Traceback" not in said, said
    finally:
        process.kill()
        process.communicate(timeout=60)


def pressed(page: Page, button: str, env: str, reason: str) -> str:
    """Presses the button, says why, types the environment's name; what is answered."""
    page.locator(button).click()
    page.locator("#ask-reason").fill(reason)
    page.locator("#ask-environment").fill(env)
    page.locator("#ask-go").click()
    page.locator("#ask-told.well").wait_for(timeout=60_000)
    said = page.locator("#ask-told").inner_text()
    page.locator("#ask-close").click()
    return said
