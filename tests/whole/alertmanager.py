"""The generated alerts in the world's Prometheus, and Debian's Alertmanager, which tells receivers of the test."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notify.web import Web
from whole.stage import Stage

from cutover.bench.watched_run import BASE, LIMITS
from cutover.world.processes import free_port
from cutover.world.prometheus import ALERTMANAGERS

NAME = "told"
ESCALATED = "15s"


@dataclass
class Alerting:
    """What Prometheus says of our alerts, and what each receiver was sent."""

    stage: Stage
    chat: Web
    pager: Web
    managers: Web

    def states(self) -> dict[str, str]:
        """pending or firing, by trigger (HTTP API, /api/v1/alerts)."""
        url = self.stage.world_variables()["SHOP_PROMETHEUS_URL"]
        with urllib.request.urlopen(f"{url}/api/v1/alerts", timeout=10) as answer:
            found = json.load(answer)["data"]["alerts"]
        return {one["labels"]["trigger"]: one["state"] for one in found if one["labels"]["environment"] == NAME}

    def fires(self, trigger: str) -> None:
        self.stage.eventually(lambda: self.states().get(trigger) == "firing", f"the alert of {trigger} fires", 90)

    def resolves(self, trigger: str) -> None:
        self.stage.eventually(lambda: self.states().get(trigger) != "firing", f"the alert of {trigger} ends", 90)

    def hears(self, web: Web, *words: str, within: float = 90) -> None:
        """A receiver was sent one message with all of these words."""

        def heard() -> bool:
            return any(all(word in got.body.decode() for word in words) for got in web.got)

        self.stage.eventually(heard, f"{words} in a message", within)

    def groups(self) -> list[dict[str, Any]]:
        """The groups of our rules that the server has read."""
        url = self.stage.world_variables()["SHOP_PROMETHEUS_URL"]
        with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["groups"]
        return [one for one in found if f"cutover-{NAME}-" in one["file"]]


@contextmanager
def alerting(stage: Stage) -> Iterator[Alerting]:
    """`invoke alerts --apply` of the watched environment with channels, and an Alertmanager with the generated routes."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    assert program, "there is no Alertmanager: apt-get install prometheus-alertmanager, or invoke test, which does"
    found = Alerting(stage, Web(), Web(), Web())
    place = stage.root / "alertmanager"
    place.mkdir()
    channels: dict[str, dict[str, str]] = {}
    for name, web in (("chat", found.chat), ("managers", found.managers)):
        (place / name).write_text(web.url, encoding="utf-8")
        channels[name] = {"kind": "slack", "webhook": f"file:{place / name}"}
    (place / "key").write_text("k3y", encoding="utf-8")
    pager = {"kind": "pagerduty", "key": f"file:{place / 'key'}", "url": f"http://127.0.0.1:{found.pager.port}/enqueue"}
    notify = {
        "channels": {**channels, "pager": pager},
        "routes": [{"to": ["chat"]}, {"to": ["pager"], "least": "critical"}],
        "escalation": [{"after": ESCALATED, "to": ["managers"]}],
    }
    watched = {"hooks": True, "watched": True}
    shift = {"shares": [50, 100], "soak": 600, "limits": LIMITS}  # so long that each trigger can be judged
    stage.environment(NAME, base=BASE, smoke=None, checklist=None, world=watched, notify=notify, shift=shift)
    said = stage.run("alerts", "--env", NAME, "--apply").ended(0)
    assert "none → as the environment says" in said.out, str(said)
    port, routes = free_port(), stage.repository / "monitoring" / NAME / "alertmanager.yaml"
    command = [program, f"--config.file={routes}", f"--storage.path={place / 'data'}", "--cluster.listen-address=",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]  # fmt: skip
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    rules = Path(stage.world_variables()["SHOP_PROMETHEUS_RULES"])
    known = rules.parent / ALERTMANAGERS / "tests.json"
    try:
        known.write_text(json.dumps([{"targets": [f"127.0.0.1:{port}"]}]), encoding="utf-8")
        yield found
    finally:
        known.unlink()
        process.terminate()
        process.wait(20)
        for web in (found.chat, found.pager, found.managers):
            web.close()
        stage.run("alerts", "--env", NAME, "--remove").ended(0)
        shutil.rmtree(place)
