"""The alerts in a real Prometheus: it reads what is written, says which it has read, and keeps what it had when it refuses."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from real_prometheus import Scraped
from series import condition

from cutover.alarms import taken
from cutover.app import open_environment
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.metrics.action import parse_action
from cutover.metrics.alert_rules import HEAD, Alerts
from cutover.metrics.prometheus import Prometheus
from cutover.metrics.rule import Rule
from cutover.metrics.rules_served import EARLIER, KEPT, NONE, PARTLY, SUFFIX, RulesServed, joined
from cutover.monitoring import monitoring_of, rules_step

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


def text(bound: str = "5%") -> str:
    rule = Rule("rate", condition(f"error_rate > {bound} for 5m"), parse_action("rollback"))
    alerts = Alerts("small", [rule], {("error_rate", "green"): "sum(error_rate)"}, "book")
    return joined("small", [alerts.figures_file(), alerts.baselines_file({}), alerts.alerts_file()])


def served(url: str, folder: Path, wanted: str = "") -> RulesServed:
    return RulesServed(
        name="prometheus-rules",
        server=Prometheus(lambda: url, url),
        folder=lambda: str(folder),
        folder_shell=str(folder),
        environment="small",
        text=wanted or text(),
    )


@pytest.fixture
def step(scraped: Scraped) -> Iterator[RulesServed]:
    """Nothing of it is there, before and after."""
    made = served(scraped.url, scraped.rules)
    yield made
    for left in scraped.rules.iterdir():
        left.unlink()
    scraped.source.asked("/-/reload", Deadline.after(20), method="POST")
    assert made.observe() == NONE


def moved(step: RulesServed, target: str) -> None:
    for command in step.commands(target):
        command.run(Deadline.after(20))


@pytest.mark.slow
def test_the_step_keeps_its_contract(step: RulesServed, scraped: Scraped, tmp_path: Path) -> None:
    def stray() -> None:
        (scraped.rules / step.file(step.text)).write_text("groups: []\n", encoding="utf-8")

    def reset() -> None:
        for one in scraped.rules.iterdir():
            one.unlink()
        scraped.source.asked("/-/reload", Deadline.after(20), method="POST")

    holds(lambda: step, state_dir=tmp_path, reset=reset, strays=[stray])


def test_it_is_served_once_and_replaced_and_another_environment_is_not_touched(
    step: RulesServed, scraped: Scraped
) -> None:
    other = scraped.rules / "cutover-small-eu-0123456789ab.rules.yaml"
    other.write_text(text().replace("small", "small-eu"), encoding="utf-8")
    assert taken(step, dry=True) == f"~ {NONE} → {KEPT}" and step.written() == {}
    assert taken(step, dry=False) == f"✓ {NONE} → {KEPT}"
    assert taken(step, dry=False) == f"= {KEPT}"
    newer = replace(step, text=text("7%"), earlier=step.text, before=EARLIER)
    assert taken(newer, dry=False) == f"✓ {EARLIER} → {KEPT}"
    assert step.observe() == PARTLY and list(newer.written()) == [newer.file(newer.text)]
    moved(newer, EARLIER)
    assert step.observe() == KEPT
    assert other.exists()


def test_what_a_server_was_not_told_of_is_told_again(step: RulesServed, scraped: Scraped) -> None:
    (scraped.rules / step.file(step.text)).write_text(step.text, encoding="utf-8")  # killed before the reload
    assert step.observe() == PARTLY
    moved(step, KEPT)
    assert step.observe() == KEPT


def test_rules_that_it_refuses_are_taken_away_again(step: RulesServed, scraped: Scraped) -> None:
    moved(step, KEPT)
    broken = HEAD.format(environment="small") + "groups: [{name: g, rules: [{record: a b, expr: 1}]}]\n"
    with pytest.raises(StepFailed, match=r"status 500.*; what was there is there again"):
        moved(replace(step, text=broken, earlier=step.text, before=EARLIER), KEPT)
    assert step.observe() == KEPT


def test_what_somebody_else_put_there_stays(step: RulesServed, scraped: Scraped) -> None:
    path = scraped.rules / step.file(step.text)
    path.write_text("groups: []\n", encoding="utf-8")
    with pytest.raises(StepFailed, match="changed under our hands: another file of that name"):
        moved(step, KEPT)
    assert path.read_text() == "groups: []\n"


def bash(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_person_can_type_it(step: RulesServed) -> None:
    newer = replace(step, text=text("7%"), earlier=step.text, before=EARLIER)
    for one, target in ((step, KEPT), (newer, KEPT), (newer, EARLIER), (newer, EARLIER)):
        bash(one.commands(target)[0].shell())
        assert one.observe() == target
        name = one.file(one.text if target == KEPT else one.earlier)
        assert bash(one.check_shell()).split() == [name, name]
    bash(step.commands(NONE)[0].shell())
    assert step.observe() == NONE and bash(step.check_shell()).split() == ["none"]


@contextmanager
def answering(*reloads: int) -> Iterator[tuple[str, list[str]]]:
    """A server without rules of ours that answers each reload with the next status, 0: hangs up."""
    asked: list[str] = []
    left = list(reloads)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, b'{"status":"success","data":{"groups":[]}}')

        def do_POST(self) -> None:
            asked.append(self.path)
            status = left.pop(0) if len(left) > 1 else left[0]
            if status:
                self._say(status, b"Lifecycle API is not enabled.")

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_without_the_lifecycle_api_nothing_is_left_and_it_is_said_what_is_missing(tmp_path: Path) -> None:
    refused = pytest.raises(StepFailed, match=r"status 403.*Lifecycle API is not enabled")
    with answering(403) as (url, _), refused as failed:
        moved(served(url, tmp_path), KEPT)
    assert failed.value.next_command == "start it with --web.enable-lifecycle"
    assert list(tmp_path.iterdir()) == []


def test_a_lost_answer_is_looked_after_and_asked_for_again(tmp_path: Path) -> None:
    with answering(0, 0, 403) as (url, asked):
        with pytest.raises(StepFailed, match="status 403"):
            moved(served(url, tmp_path), KEPT)
        assert asked == ["/-/reload"] * 3


def test_an_environment_brings_its_rules_and_takes_them_away(
    scraped: Scraped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    monkeypatch.setenv("SHOP_PROMETHEUS_URL", scraped.url)
    monkeypatch.setenv("SHOP_PROMETHEUS_RULES", str(scraped.rules))
    app = open_environment("local-watched", directory=ENVIRONMENTS)
    made = monitoring_of(app)

    def brought(*, remove: bool = False) -> str:
        one = rules_step(app, made, {}, remove=remove)
        assert isinstance(one, RulesServed)
        return taken(one, dry=False)

    assert brought() == f"✓ {NONE} → {KEPT}" and brought() == f"= {KEPT}"
    (name,) = (one.name for one in scraped.rules.iterdir())
    assert "CutoverLeak" in (scraped.rules / name).read_text(encoding="utf-8")
    (scraped.rules / name).rename(scraped.rules / f"cutover-local-watched-0123456789ab{SUFFIX}")
    assert brought() == f"✓ {PARTLY} → {KEPT}", "an earlier version goes"
    unknown = rules_step(app, made, None)
    assert unknown == "the baselines of the last run are not known, so that the rules in Prometheus stay as they are"
    assert brought(remove=True) == f"✓ {KEPT} → {NONE}" and brought(remove=True) == f"= {NONE}"
    (scraped.rules / name).write_text("groups: []\n", encoding="utf-8")
    for remove in (False, True):
        assert str(rules_step(app, made, {}, remove=remove)).endswith("in Prometheus' rules is not ours, and stays")
    (scraped.rules / name).unlink()


def test_without_a_folder_of_rules_there_is_nothing_to_bring() -> None:
    app = open_environment("prod", read_only=True, directory=ENVIRONMENTS)
    assert rules_step(app, monitoring_of(app), {}) is None


def test_a_folder_or_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    with answering(403) as (url, _), pytest.raises(Unreachable, match="the folder of Prometheus' rules cannot be read"):
        served(url, tmp_path / "away").observe()
    with pytest.raises(Unreachable, match="Prometheus: "):
        served(url, tmp_path).observe()
