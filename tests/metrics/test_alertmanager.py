"""Routes of the generated alerts, as Alertmanager's own tool reads and follows them."""

import subprocess
from pathlib import Path

import pytest
import yaml
from series import condition

from cutover.metrics.action import parse_action
from cutover.metrics.alert_files import files, stale, write
from cutover.metrics.alert_rules import Alerts
from cutover.metrics.alertmanager import Level, Mail, PagerDuty, Receiver, Route, Slack, Sns, Webhook
from cutover.metrics.rule import Rule

RECEIVERS: dict[str, Receiver] = {
    "pager": PagerDuty("/etc/alertmanager/pager.key"),
    "chat": Slack("/etc/alertmanager/chat.url"),
    "topic": Sns("arn:aws:sns:us-east-1:123456789012:cutover", "us-east-1"),
    "hook": Webhook("https://hook.example.com/cutover"),
    "mail": Mail("smtp.example.com:587", "a@example.com", ("b@example.com", "c@example.com"), True, "/etc/password"),
}


def made() -> Alerts:
    one = Rule("rate", condition("error_rate > 5% for 5m"), parse_action("rollback"), channels=("pager", "chat"))
    return Alerts("small", [one], {("error_rate", "green"): "sum(error_rate)"}, "book")


def amtool(folder: Path, *words: str) -> str:
    done = subprocess.run(["amtool", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("receivers", [RECEIVERS, {}])
def test_alertmanager_takes_them(tmp_path: Path, receivers: dict[str, Receiver]) -> None:
    write(files(made(), receivers, {}), tmp_path)
    assert f"{len(receivers) + 1} receivers" in amtool(tmp_path, "check-config", "alertmanager.yaml")


@pytest.mark.parametrize(
    ("channels", "reached"),
    [
        (",pager,chat,", "cutover-pager,cutover-chat"),
        (",hook,", "cutover-hook"),
        ("", "cutover-pager,cutover-chat,cutover-topic,cutover-hook,cutover-mail"),
        (",pagers,", "cutover-nobody"),
    ],
)
def test_an_alert_reaches_whom_its_trigger_names(tmp_path: Path, channels: str, reached: str) -> None:
    write(files(made(), RECEIVERS, {}), tmp_path)
    labels = ["environment=small", "trigger=rate", *([f"channels={channels}"] if channels else [])]
    said = amtool(tmp_path, "config", "routes", "test", "--config.file=alertmanager.yaml", *labels)
    assert said.strip() == reached
    other = amtool(tmp_path, "config", "routes", "test", "--config.file=alertmanager.yaml", "environment=other")
    assert other.strip() == "cutover-nobody"


def test_a_second_time_nothing_is_written(tmp_path: Path) -> None:
    found = files(made(), RECEIVERS, {})
    assert {path.name for path in write(found, tmp_path / "monitoring")} == found.keys()
    assert write(files(made(), RECEIVERS, {}), tmp_path / "monitoring") == ()
    (tmp_path / "monitoring" / "alertmanager.yaml").write_text("changed", encoding="utf-8")
    assert [path.name for path in write(found, tmp_path / "monitoring")] == ["alertmanager.yaml"]


@pytest.mark.parametrize(
    ("labels", "reached"),
    [
        (["severity=critical"], "cutover-pager,cutover-chat,cutover-mail"),
        (["severity=warning"], "cutover-chat"),
        (["severity=warning", "channels=,topic,"], "cutover-topic"),
        (["severity=critical", "channels=,topic,"], "cutover-topic,cutover-mail"),
    ],
)
def test_without_channels_it_goes_by_the_routes_and_what_is_critical_goes_further(
    tmp_path: Path, labels: list[str], reached: str
) -> None:
    routes = [Route(("chat",), "info"), Route(("pager", "chat"), "critical"), Route(("hook",), None)]
    levels = [Level(600.0, ("mail", "gone"))]
    write(files(made(), RECEIVERS, {}, routes, levels, ["Put it there."]), tmp_path)
    assert "# Put it there." in (tmp_path / "alertmanager.yaml").read_text().splitlines()
    amtool(tmp_path, "check-config", "alertmanager.yaml")
    words = ["environment=small", "trigger=rate", *labels]
    said = amtool(tmp_path, "config", "routes", "test", "--config.file=alertmanager.yaml", *words)
    assert said.strip() == reached
    last = yaml.safe_load((tmp_path / "alertmanager.yaml").read_text())["route"]["routes"][-1]
    assert (last["receiver"], last["group_wait"]) == ("cutover-mail", "10m")


def test_what_is_stale_is_named_and_left_alone(tmp_path: Path) -> None:
    found = files(made(), RECEIVERS, {})
    assert stale(found, tmp_path / "not-there") == tuple(found)
    write(found, tmp_path)
    assert stale(found, tmp_path) == ()
    (tmp_path / "triggers.rules.yaml").write_text("changed", encoding="utf-8")
    assert stale(found, tmp_path) == ("triggers.rules.yaml",)
    assert (tmp_path / "triggers.rules.yaml").read_text() == "changed"
