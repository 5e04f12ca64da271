"""A real browser for tests of pages: pages that fail a test by any complaint, axe's findings, and Mermaid's own parser.

A test asks for `page`, or for `new_page` where it needs several that share no cookies. One that provokes a complaint asks for
`complaints` too, and clears it. Chromium is Debian's; the two scripts are fetched from npm once, by the digests below.
"""

import base64
import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

DESKTOP, PHONE = (1440, 900), (390, 844)  # CSS pixels
SCHEMES = ("light", "dark")
SERIOUS = ("serious", "critical")  # of axe's four impacts
PLACE = Path(__file__).parents[1] / ".cutover" / "browser"
REFUSED: dict[str, str] = {}
"""By package why it could not be fetched: without a network each further test says so at once."""
WITHOUT_EXTRAS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
# Chromium says some violations only on the console and some only to the document: both are heard.
LISTENER = """addEventListener("securitypolicyviolation", e =>
    complain(`CSP: ${e.violatedDirective} refuses ${e.blockedURI} ${e.sample} at line ${e.lineNumber}`))"""


class Script(NamedTuple):
    """One file of a package on npm; `digest` is of the package, as npm's lock files write it."""

    package: str
    version: str
    digest: str
    file: str

    @property
    def path(self) -> Path:
        return PLACE / f"{self.package}-{self.version}.js"


MERMAID = Script(
    "mermaid",
    "12.3.0",
    "sha512-4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw==",
    "package/dist/mermaid.min.js",
)
AXE = Script(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    "package/axe.min.js",
)


@pytest.fixture(scope="module")  # no longer: while it lasts, asyncio.run() refuses to work in this thread
def chromium() -> "Iterator[Browser]":
    """A Chromium without a window, ended after the file's last test."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program is not None, "no chromium is installed, which tests of pages need: apt-get install chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(WITHOUT_EXTRAS))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the pages of this test complained of: errors and warnings on the console, uncaught ones, and CSP violations."""
    return []


@pytest.fixture
def new_page(chromium: "Browser", complaints: list[str]) -> "Iterator[Callable[[], Page]]":
    """Opens pages, each as if in a browser of its own; fails the test at its end when one of them complained."""
    contexts: list[BrowserContext] = []

    def opened() -> "Page":
        context = chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, reduced_motion="reduce")
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.expose_function("complain", lambda said: complaints.append(said))  # a method of list has no signature
        context.add_init_script(LISTENER)
        page = context.new_page()
        page.on("console", lambda message: _heard(message, complaints))
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        return page

    try:
        yield opened
        for context in contexts:
            for page in context.pages:
                page.evaluate("0")  # what the page said until now has arrived when this has
    finally:
        for context in contexts:
            context.close()
    assert not complaints


@pytest.fixture
def page(new_page: "Callable[[], Page]") -> "Page":
    """One page, as wide as a desktop's and light."""
    return new_page()


def shown(page: "Page", size: tuple[int, int], scheme: str) -> None:
    """Shows the page at a size and in a color scheme, `light` or `dark`."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")


def axe(page: "Page") -> list[str]:
    """axe's serious and critical findings on the page as it is shown, each with the elements that it is about."""
    page.evaluate(_script(AXE))
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['impact']}: {one['id']}: {one['help']}: {'; '.join(node['html'][:160] for node in one['nodes'])}"
        for one in found
        if one["impact"] in SERIOUS
    ]


def sideways(page: "Page") -> int:
    """How many pixels the page can be scrolled to the right."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def mermaid_errors(page: "Page", diagrams: Sequence[str]) -> list[str]:
    """What Mermaid's own parser says of each diagram, `` where it takes it; runs in a page that shows nothing else."""
    page.goto("about:blank")
    page.add_script_tag(content=_script(MERMAID))
    said: list[str] = page.evaluate(
        """async diagrams => {
            mermaid.initialize({startOnLoad: false, securityLevel: "strict"})
            const said = []
            for (const one of diagrams)
                said.push(await mermaid.parse(one).then(() => "", error => String(error.message || error)))
            return said
        }""",
        list(diagrams),
    )
    return said


def mermaid_drawn(page: "Page", diagram: str) -> list[str]:
    """The words of each node of a flowchart as Mermaid draws it, in the order of the nodes' numbers (`n0`, `n1` …)."""
    page.goto("about:blank")
    page.add_script_tag(content=_script(MERMAID))
    drawn: list[str] = page.evaluate(
        """async diagram => {
            mermaid.initialize({startOnLoad: false, securityLevel: "strict"})
            document.body.innerHTML = (await mermaid.render("drawn", diagram)).svg
            const number = node => Number(node.id.match(/-n(\\d+)-/)[1])
            return [...document.querySelectorAll(".node")].sort((a, b) => number(a) - number(b))
                .map(node => node.textContent.trim())
        }""",
        diagram,
    )
    return drawn


def _heard(message: "ConsoleMessage", complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(f"console {message.type}: {message.text}")


def _script(wanted: Script) -> str:
    """The script's text, fetched at the first need; what is fetched is refused unless it is the pinned package."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes must not fetch it at once
        if not wanted.path.exists():
            assert wanted.package not in REFUSED, REFUSED[wanted.package]
            try:
                _fetch(wanted)
            except Exception as error:
                REFUSED[wanted.package] = f"{wanted.package} could not be fetched: {error}"
                raise
    return wanted.path.read_text(encoding="utf-8")


def _fetch(wanted: Script) -> None:
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        name = f"{wanted.package}@{wanted.version}"
        command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", name, "--pack-destination", folder]
        done = subprocess.run(
            command, check=False, timeout=240, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-800:]}"
        [packed] = Path(folder).iterdir()
        found = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        assert found == wanted.digest, f"{name} is {found}, and {wanted.digest} is wanted"
        with tarfile.open(packed) as archive:
            member = archive.extractfile(wanted.file)
            assert member is not None, f"{name} has no {wanted.file}"
            part = Path(folder, "part")
            part.write_bytes(member.read())
        part.replace(wanted.path)
