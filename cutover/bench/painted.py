"""How soon the console's page is there, and its charts are drawn, in a real browser: `paint` and `draw` of `invoke bench console`."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cutover.bench import paced_run
from cutover.bench.chromium import chromium
from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.kept_pace import paced_stage
from cutover.bench.served_console import ServedConsole, served_console
from cutover.bench.staged import Staged

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST_PAINT, DRAWN = 1000.0, 100.0  # milliseconds
SLOWLY = 60_000.0  # milliseconds
LOGIN, BARE = "the page of who is not logged in", "a bare canvas path"
HOSTNAMES, SHARES = 4, 10
LONGEST = 300.0  # seconds to write the entries
# Runs before any script of the page.
ARRIVES = """(() => {
    const look = () => {
        if (!document.querySelector('#log > li[data-seq="SEQ"]')) return;
        window.arrived = performance.now();
        observer.disconnect();
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true });
})()"""
PAINTED = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0"""
DRAW = """async points => {
    const { draw, columns } = await import("/static/charts.js");
    const figure = document.createElement("figure");
    figure.className = "plot";
    figure.dataset.unit = "ms";
    figure.dataset.critical = "90";
    figure.innerHTML = '<figcaption><span class="newest"></span></figcaption><div class="canvas"></div>';
    document.getElementById("charts").prepend(figure);
    const curve = (side, seed) => ({ side, samples: Array.from({ length: points / 2 }, (_, at) =>
        [1.7e9 + at, 50 + 20 * Math.sin(at / 900 + seed) + 10 * Math.random()]) });
    const given = [curve("blue", 0), curve("green", 1)];
    const drawn = async work => {
        const began = performance.now();
        work();
        await new Promise(done => queueMicrotask(() => queueMicrotask(done)));  // uPlot draws in one
        const canvas = figure.querySelector("canvas");
        canvas.getContext("2d").getImageData(0, 0, 1, 1);  // waits until what was drawn is there
        return performance.now() - began;
    };
    const first = await drawn(() => draw(figure, columns(given)));
    const ink = () => {
        const { width, height } = figure.querySelector("canvas");
        const pixels = figure.querySelector("canvas").getContext("2d").getImageData(0, 0, width, height).data;
        let count = 0;
        for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) count += 1;
        return count;
    };
    const inked = ink();
    const again = await drawn(() => draw(figure, columns([curve("blue", 2), curve("green", 3)])));
    const { width, height } = figure.querySelector("canvas");
    const bare = document.createElement("canvas");
    Object.assign(bare, { width, height });
    const pen = bare.getContext("2d");
    const began = performance.now();
    for (const { samples } of given) {
        pen.beginPath();
        samples.forEach(([at, value]) => pen.lineTo((at - 1.7e9) / points * 2 * width, height - value / 100 * height));
        pen.stroke();
    }
    pen.getImageData(0, 0, 1, 1);
    const path = performance.now() - began;
    figure.remove();
    return { first, again, path, inked };
}"""


def painted(loads: int, entries: int, say: Callable[[str], None]) -> Iterator[Line]:
    """Each load is that of a browser which has never been there: nothing is in its cache."""
    first, newest, login = [], [], []
    with chromium() as browser, paced_stage(HOSTNAMES, SHARES) as stage:
        _recorded(stage, entries)
        with served_console(stage, paced_run.NAME) as console:
            for _ in range(loads):
                login.append(_loaded(browser, console.address))
                with _page(browser, console, ARRIVES.replace("SEQ", str(entries))) as page:
                    _comes(page, "window.arrived !== undefined")
                    first.append(_first_paint(page))
                    newest.append(float(page.evaluate("window.arrived")))
    say(f"first paint after {Spread.of(first).short()}")
    reference = (Reference(LOGIN, Spread.of(login)),)
    yield Line(
        f"first paint of a run of {entries:,} events", Spread.of(first), reference, (Limit("worst", FIRST_PAINT),)
    )
    yield Line("its newest line is in the page", Spread.of(newest), reference)


def _recorded(stage: Staged, entries: int) -> None:
    command = [sys.executable, "-m", "cutover.bench.long_record", str(entries)]
    done = subprocess.run(command, cwd=stage.repository, env=stage.variables(), capture_output=True, text=True,
                          timeout=LONGEST, check=False)  # fmt: skip
    if done.returncode:
        raise BenchFailed(f"the record was not written: {done.stderr[-2000:]}")


def _loaded(browser: "Browser", address: str) -> float:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(address, timeout=SLOWLY)
        return _first_paint(page)
    finally:
        context.close()


def _comes(page: "Page", so: str) -> None:
    """Waits until it is so. playwright's own waiting evaluates strings inside the page, which its policy refuses."""
    end = time.monotonic() + SLOWLY / 1000
    while not page.evaluate(so):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {SLOWLY / 1000:g} s: {so}")
        page.wait_for_timeout(10)


def _first_paint(page: "Page") -> float:
    _comes(page, f"({PAINTED})() > 0")
    return float(page.evaluate(PAINTED))


@contextmanager
def _page(browser: "Browser", console: ServedConsole, script: str = "") -> "Iterator[Page]":
    """The console's page, opened by somebody who is logged in."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        name, value = console.cookie.split("=", 1)
        context.add_cookies([{"name": name, "value": value, "url": console.address}])
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.goto(console.address, timeout=SLOWLY)
        yield page
    finally:
        context.close()


def drawn(rounds: int, points: int, say: Callable[[str], None]) -> Iterator[Line]:
    """From the samples as they come from the console to what is drawn, on a figure of the console's own page."""
    found: list[dict[str, Any]] = []
    with (
        chromium() as browser,
        paced_stage(HOSTNAMES, SHARES) as stage,
        served_console(stage, paced_run.NAME) as console,
        _page(browser, console) as page,
    ):
        for _ in range(rounds):
            found.append(page.evaluate(DRAW, points))
    if not all(one["inked"] for one in found):
        raise BenchFailed("nothing was drawn")
    first, again, path = (Spread.of(float(one[name]) for one in found) for name in ("first", "again", "path"))
    say(f"{points} points were drawn in {first.short()}")
    reference, limits = (Reference(BARE, path),), (Limit("worst", DRAWN),)
    yield Line(
        f"{points:,} points, a new chart", first, reference, limits, "both sides; their samples are sorted in it"
    )
    yield Line(f"{points:,} points, new data in the same chart", again, reference, limits)
