"""The shared browser hears what a page does wrong; without that no test of a page could fail."""

from collections.abc import Callable
from pathlib import Path

import browsing
import pytest
from playwright.sync_api import Browser, Page

STRICT = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"


def _page(tmp_path: Path, body: str, *, head: str = "") -> str:
    path = tmp_path / "page.html"
    path.write_text(
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>Toy</title>{head}</head><body><main>"
        f"<h1>Toy</h1>{body}</main></body></html>",
        encoding="utf-8",
    )
    return path.as_uri()


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        ("<p>well</p>", []),
        ("<script>console.error('broken')</script>", ["console error: broken"]),
        ("<script>console.log('said')</script>", []),
        ("<script>throw new Error('thrown')</script>", ["uncaught: thrown"]),
    ],
)
def test_complaints_of_a_page(page: Page, complaints: list[str], tmp_path: Path, body: str, heard: list[str]) -> None:
    page.goto(_page(tmp_path, body))
    page.evaluate("0")
    assert complaints == heard
    complaints.clear()


@pytest.mark.parametrize("body", ["<script>var a</script>", "<img src=https://127.0.0.1:9/a.png alt=a>"])
def test_a_violation_of_the_policy_is_heard(page: Page, complaints: list[str], tmp_path: Path, body: str) -> None:
    page.goto(_page(tmp_path, body, head=STRICT))
    page.wait_for_function("document.readyState === 'complete'")
    page.evaluate("new Promise(done => setTimeout(done))")
    assert any(line.startswith("CSP: ") for line in complaints), complaints
    complaints.clear()


def test_an_unheard_complaint_fails_the_test(chromium: Browser, tmp_path: Path) -> None:
    begun = browsing.new_page.__wrapped__(chromium, heard := list[str]())  # type: ignore[attr-defined]
    next(begun)().goto(_page(tmp_path, "<script>console.error('broken')</script>"))
    with pytest.raises(AssertionError, match="broken"):
        next(begun)
    assert heard == ["console error: broken"]


@pytest.mark.parametrize("scheme", browsing.SCHEMES)
def test_axe_sees_what_cannot_be_read(page: Page, tmp_path: Path, scheme: str) -> None:
    pale = "<style>@media (prefers-color-scheme: dark) {p {color: #222; background: #000}}</style><p>pale</p>"
    page.goto(_page(tmp_path, pale, head=STRICT))
    browsing.shown(page, browsing.PHONE, scheme)
    found = browsing.axe(page)
    assert (["color-contrast"] if scheme == "dark" else []) == [line.split(": ")[1] for line in found]


def test_width_is_told(page: Page, tmp_path: Path) -> None:
    page.goto(_page(tmp_path, "<div style='width: 500px'>wide</div>"))
    browsing.shown(page, browsing.DESKTOP, "light")
    assert browsing.sideways(page) == 0
    browsing.shown(page, browsing.PHONE, "light")
    assert browsing.sideways(page) > 100


def test_mermaid_tells_a_good_diagram_from_a_broken_one(page: Page) -> None:
    good, broken = browsing.mermaid_errors(page, ['flowchart TD\n  a["b"] --> c', "flowchart TD\n  a[b --> c"])
    assert good == ""
    assert "Parse error" in broken


def test_pages_share_no_cookies(new_page: Callable[[], Page]) -> None:
    assert new_page().context is not new_page().context


def test_a_script_that_cannot_be_fetched_is_asked_for_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho x >> {asked}\necho no network >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(browsing, "PLACE", tmp_path)
    monkeypatch.setattr(browsing, "REFUSED", {})
    for _ in range(3):
        with pytest.raises(AssertionError, match="no network"):
            browsing._script(browsing.AXE)
    assert asked.read_text() == "x\n"
