"""The committed monitoring: what the environment's triggers say, and what Prometheus' and Alertmanager's own tools take."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.metrics.alert_files import BASELINES, stale
from cutover.metrics.alertmanager import Mail, Route
from cutover.monitoring import Monitoring, monitoring_of

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "monitoring" / "prod"


@pytest.fixture(scope="module")
def prod() -> Monitoring:
    return monitoring_of(open_environment("prod", read_only=True, directory=ROOT / "environments"))


def test_what_is_committed_is_what_the_triggers_say(prod: Monitoring) -> None:
    assert stale(prod.files({}), COMMITTED) == ()


def test_their_own_tools_take_them(tmp_path: Path) -> None:
    folder = shutil.copytree(COMMITTED, tmp_path / "prod")
    for words in (
        ["promtool", "check", "rules", "figures.rules.yaml", "triggers.rules.yaml", BASELINES],
        ["promtool", "test", "rules", "triggers.test.yaml"],
        ["amtool", "check-config", "alertmanager.yaml"],
    ):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_every_trigger_is_an_alert_or_named_with_its_reason(prod: Monitoring) -> None:
    said = [rule.name for rule in prod.alerts.said()]
    unsaid = {one.name: one.reason for one in prod.missing({})["not a Prometheus alert"]}
    assert said == ["checkout", "memory", "leak", "fast-leak"]
    assert sorted([*said, *unsaid]) == sorted(rule.name for rule in prod.alerts.rules)
    assert unsaid["payments"] == "payment_errors on green does not come from Prometheus but from log (json-lines)"


def test_a_baseline_that_a_run_recorded_is_a_series(prod: Monitoring) -> None:
    assert [one.name for one in prod.missing({})["cannot fire yet"]] == ["memory"]
    assert prod.missing({"memory": 4e8})["cannot fire yet"] == ()
    assert "vector(400000000.0)" in prod.files({"memory": 4e8})[BASELINES]


def test_a_secret_is_named_and_never_written(prod: Monitoring) -> None:
    text = prod.files({})["alertmanager.yaml"]
    for reference in re.findall(r"secretsmanager:\S+", text):
        (line,) = (one for one in text.splitlines() if reference in one)
        assert line.startswith("# "), line
    assert prod.channels.receivers.keys() == {"chat", "pager", "topic", "managers"}
    assert [one.name for one in prod.missing({})["channel left out"]] == ["statuspage"]


def test_an_alert_that_nobody_would_hear_is_named(prod: Monitoring) -> None:
    def unheard(channels: tuple[str, ...], routes: tuple[Route, ...] = prod.routes) -> list[str]:
        rules = [replace(rule, channels=channels) for rule in prod.alerts.said()[:1]]
        one = replace(prod, alerts=replace(prod.alerts, rules=rules), routes=routes)
        return [one.reason for one in one.missing({})["Alertmanager tells nobody"]]

    assert unheard(()) == unheard(("statuspage", "pager")) == unheard((), routes=()) == []
    assert unheard(("statuspage",)) == ["it is for statuspage, and Alertmanager has no receiver for it"]
    (reason,) = unheard((), routes=(Route(("chat",), None),))
    assert reason.startswith("no route takes what is critical")


def test_a_mail_server_that_alertmanager_cannot_speak_with_is_left_out() -> None:
    app = open_environment("prod", read_only=True, directory=ROOT / "environments")
    mail = app.environment.notify.channels["managers"]

    def made(**words: object) -> Monitoring:
        notify = app.environment.notify.model_copy(update={"channels": {"managers": mail.model_copy(update=words)}})
        app.environment = app.environment.model_copy(update={"notify": notify})
        return monitoring_of(app)

    assert [one.reason for one in made(security="tls").channels.left_out] == [
        "Alertmanager begins with TLS on port 465 only, not 587"
    ]
    receiver = made(security="tls", port=465, user=None).channels.receivers["managers"]
    assert isinstance(receiver, Mail) and (receiver.smarthost, receiver.tls) == ("smtp.example.com:465", False)
