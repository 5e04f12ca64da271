"""What `invoke plan --html` and `invoke runbook --html` write, and what `invoke plan` says of signs."""

from __future__ import annotations

import json
import stat

from cli.shell import Shell


def test_the_page_goes_where_reviews_are_and_its_path_is_printed(shell: Shell) -> None:
    said = shell.invoke("plan", "--env", "prod", "--html").ended(0)
    path = shell.home / "reviews" / "prod-plan.html"
    assert said.out == f"{path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    page = path.read_text(encoding="utf-8")
    document = json.loads(shell.invoke("plan", "--env", "prod", "--json").ended(0).out)
    assert document["plan_digest"] in page
    digest = f"digest `{document['plan_digest']}`"
    shell.invoke("runbook", "--env", "prod").ended(0)
    runbook = (shell.folder / "runbooks" / "prod" / "CUTOVER-RUNBOOK.md").read_text(encoding="utf-8")
    assert (
        digest in runbook
    )  # what is reviewed is what the runbook is of, though the page was made by what cannot write


def test_another_place_for_the_page(shell: Shell) -> None:
    said = shell.invoke("plan", "--env", "local-flag", "--detailed-exitcode", "--out", "deep/er/page.html").ended(2)
    assert said.out == "deep/er/page.html\n"
    assert (shell.folder / "deep" / "er" / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    (shell.folder / "file").write_text("", encoding="utf-8")
    said = shell.invoke("plan", "--env", "local-flag", "--out", "file/page.html").ended(5)
    assert "file/page.html cannot be written" in said.err and "next: invoke plan --env local-flag --html" in said.err


def test_one_document_at_a_time(shell: Shell) -> None:
    said = shell.invoke("plan", "--env", "prod", "--html", "--json").ended(5)
    assert "two documents" in said.err and said.out == ""


def test_a_dry_run_writes_no_page(shell: Shell) -> None:
    for task in ("plan", "runbook"):
        said = shell.invoke("--dry", task, "--env", "local-flag", "--html").ended(0)
        assert "would be written" in said.err
    assert not (shell.home / "reviews").exists()


def test_the_runbooks_as_pages_leave_the_committed_ones_alone(shell: Shell) -> None:
    shell.invoke("runbook", "--env", "prod", "--html").ended(0)
    found = sorted(path.name for path in (shell.home / "reviews" / "prod").iterdir())
    assert found == [
        "ARCHIVE-RUNBOOK.html",
        "CUTOVER-RUNBOOK.html",
        "DECOMMISSION-RUNBOOK.html",
        "POST-CUTOVER-CHECKLIST.html",
        "ROLLBACK-RUNBOOK.html",
    ]
    assert not (shell.folder / "runbooks").exists()
    assert "missing" in shell.invoke("runbook", "--env", "prod", "--html", "--check").ended(2).err


def test_signs_and_their_legend(shell: Shell) -> None:
    said = shell.invoke("plan", "--env", "prod").ended(0).out
    assert "  + fence-kit-blue               absent → open" in said
    assert "  ~ traffic-shop-5               0 % → 5 %" in said
    assert "(+ is made new, ~ changes, − is taken away, = holds already, ? is asked, ! is watched)" in said
