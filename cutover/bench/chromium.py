"""A Chromium without a window, driven by Playwright."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cutover.bench.figures import NotMeasured

if TYPE_CHECKING:
    from playwright.sync_api import Browser

INSTALL = "needs a browser: apt-get install chromium && pip install -e '.[dev]'"
WITHOUT_EXTRAS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")  # fmt: skip


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Debian's Chromium; raises NotMeasured where it or Playwright is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NotMeasured(INSTALL) from None
    program = shutil.which("chromium")
    if program is None:
        raise NotMeasured(INSTALL)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(WITHOUT_EXTRAS), timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()


def version() -> str:
    """The browser's, or that there is none."""
    program = shutil.which("chromium")
    if program is None:
        return "no Chromium"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    return " ".join(said.split()[:2]) or "Chromium"
