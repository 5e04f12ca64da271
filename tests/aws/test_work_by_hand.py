"""A whole plan with workers, configuration, own steps and shares of all kinds: its order, its preflight, and its printed commands."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from local_aws import Endpoint, eventually
from work_environment import VARIABLES, Work

from cutover.app import App, open_environment
from cutover.core.clock import Deadline
from cutover.core.gate import Gate, Verdict
from cutover.core.plain import text
from cutover.core.plan import Plan
from cutover.core.step import Step
from cutover.machine.own_read import OwnCommandsRead
from cutover.net.flag_report import ShareReported
from cutover.plans.parts import Parts
from cutover.plans.work import work_checks
from cutover.runbook import extract_commands, render
from cutover.runbook.compose import book_of
from cutover.runbook.entries import takeable

OURS = ("own-", "workers-", "configuration-", "final-log-", "traffic-")


@pytest.fixture
def flags() -> Iterator[dict[str, Any]]:
    """What the application's instance says at $APP_FLAGS; the address is under `url`."""
    told: dict[str, Any] = {"green_percent": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    told["url"] = f"http://127.0.0.1:{server.server_address[1]}/flags"
    yield told
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def app(endpoint: Endpoint, flags: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    Work(endpoint, tmp_path)
    for name, value in {**VARIABLES, "APP_FLAGS": flags["url"], "CUTOVER_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    return open_environment("work", directory=tmp_path / "environments")


def arrived(step: Step[Any]) -> bool:
    return bool(step.observe() == step.after)


def ours(plan: Plan) -> list[Step[Any]]:
    return [step for _, step in plan.steps() if step.name.startswith(OURS)]


def order(plan: Plan) -> list[tuple[str, str]]:
    """Phase and name of what this environment adds, and of what it has to stand right by."""
    landmarks = ("fits-the-window", "switchover", "rollback-ready", "way-back-follows")
    return [
        (phase.name, item.name)
        for phase, item in plan.walk()
        if item.name.startswith((*OURS, "share-reported")) or item.name in landmarks
    ]


def test_the_order_of_the_plan(app: App) -> None:
    found = order(app.plan)
    window = [name for phase, name in found if phase == "window"]
    for first, then in (
        ("own-banner", "workers-stopped-mails"),
        ("workers-stopped-mails", "workers-stopped-images"),
        ("workers-stopped-images", "switchover"),
        ("switchover", "own-cache"),
    ):
        assert window.index(first) < window.index(then)
    assert [name for phase, name in found if phase == "work"] == [
        "configuration-sender",
        "configuration-token",
        "workers-started-orders",
        "workers-started-bills",
        "final-log-mails",
        "final-log-images",
    ]
    assert [name for phase, name in found if phase == "shift-10"] == [
        "traffic-hooks-10",
        "traffic-app-10",
        "traffic-admin-10",
        "share-reported-app-10",
    ]
    assert [phase.name for phase in app.plan.phases] == ["prepare", "window", "work", "shift-10", "shift-100", "bake"]


def test_the_order_of_the_way_back(app: App) -> None:
    names = [item.name for _, item in app.plan.inverse(takeable(app.plan)).walk()]
    wanted = [
        "traffic-admin-10-undo",
        "traffic-app-10-undo",
        "traffic-hooks-10-undo",
        "workers-started-bills-undo",
        "configuration-sender-undo",
        "switchover-undo",
        "workers-stopped-mails-undo",
        "own-banner-undo",
    ]
    wrong = "green's stop before writes go back, and blue's start before anything that may be stuck"
    assert [name for name in names if name in wanted] == wanted, wrong
    assert not any("share-reported" in name for name in names), "going back waits for no application"


def test_an_undone_window_starts_blues_workers_again(app: App) -> None:
    taken = ["own-banner", "workers-stopped-mails", "workers-stopped-images"]
    undone = [item.name for _, item in app.plan.inverse(taken, to="prepare").walk()]
    assert undone == ["workers-stopped-images-undo", "workers-stopped-mails-undo", "own-banner-undo"]


@pytest.mark.slow
def test_what_the_runbooks_print_goes_there_and_back(app: App, bash: Callable[..., str], flags: dict[str, Any]) -> None:
    pages = render(book_of(app))
    assert not any(secret in page for page in pages.values() for secret in ("green-token\n", "blue-token"))
    back = app.plan.inverse(takeable(app.plan))
    for page, plan in (("CUTOVER-RUNBOOK.md", app.plan), ("ROLLBACK-RUNBOOK.md", back)):
        whole = pages[page]
        printed: dict[tuple[str, str], list[str]] = {}
        for name, kind, block in extract_commands(whole[whole.index("\n## 1. ") :]):
            printed.setdefault((name, kind), []).append(block)
        for step in ours(plan):
            assert step.observe() == step.before, step.name
            for block in printed[step.name, "do"]:
                bash(block)
            assert eventually(partial(arrived, step)), step.name
            (check,) = printed[step.name, "check"]
            assert bash(check).splitlines()[-1] == text(step.after), step.name
        for gate in (item for _, item in plan.walk() if isinstance(item, Gate)):
            if isinstance(gate.check, ShareReported):
                flags["green_percent"] = float(gate.check.wanted.percent)
                assert gate.check.look().verdict is Verdict.PASS
                bash(printed[gate.name, "check"][0])


def test_the_engine_takes_them_there_and_back(app: App, endpoint: Endpoint) -> None:
    work, back = ours(app.plan), ours(app.plan.inverse(takeable(app.plan)))
    now = int(time.time() * 1000)
    event = {
        "logGroupName": "/ecs/mails",
        "logStreamName": "one",
        "logEvents": [{"timestamp": now, "message": "last job"}],
    }
    endpoint.aws.call("logs", "PutLogEvents", Deadline.after(10), **event)
    for steps in (work, back):
        for step in steps:
            for command in step.commands(step.after):
                command.run(Deadline.after(30))
            assert eventually(partial(arrived, step)), step.name
        if steps is work:
            kept = json.loads((app.means.state_dir / "work" / "final-log-mails.json").read_text())["content"]["traffic"]
            assert [one["message"] for one in kept["events"]][-1] == "last job" and not kept["left_out"]
            lost = json.loads((app.means.state_dir / "work" / "final-log-images.json").read_text())["content"][
                "traffic"
            ]
            assert lost["events"] == [] and "ResourceNotFoundException" in lost["reason"]


def test_preflight_finds_everything_as_it_should_be(app: App, endpoint: Endpoint) -> None:
    checks = [*work_checks(app.means), *(check for one in Parts(app.means).carried for check in one.preflight())]
    assert endpoint.writes_during(lambda: [check.look() for _, check in checks]) == []
    assert {name: check.look().verdict for name, check in checks} == dict.fromkeys(dict(checks), Verdict.PASS)
    assert {check.shell() for _, check in checks}
    assert isinstance(dict(checks)["own-steps"], OwnCommandsRead)


def test_a_plain_value_for_a_secret_is_refused(app: App, endpoint: Endpoint) -> None:
    kind = {"Type": "SecureString", "Overwrite": True}
    endpoint.aws.call("ssm", "PutParameter", Deadline.after(10), Name="/work/sender", Value="mail blue's", **kind)
    try:
        finding = dict(work_checks(app.means))["configuration-sender"].look()
        assert finding.verdict is Verdict.FAIL and "its values stand in the environment file" in finding.seen
    finally:
        endpoint.aws.call("ssm", "DeleteParameter", Deadline.after(10), Name="/work/sender")


def test_a_dry_run_runs_nothing_that_is_not_safe(app: App, tmp_path: Path) -> None:
    dry = open_environment("work", read_only=True, directory=tmp_path / "environments")
    steps = {step.name: step for _, step in dry.plan.steps()}
    assert steps["own-cache"].observe() == "cold"
    with pytest.raises(Exception, match="not run in dry-run"):
        steps["own-banner"].observe()
