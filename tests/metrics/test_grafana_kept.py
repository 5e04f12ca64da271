"""The dashboard in a Grafana: made once, replaced over the version that was seen, and never over somebody else's."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from grafana_fake import TOKEN, GrafanaFake

from cutover.alarms import taken
from cutover.app import App, open_environment
from cutover.aws.metric_dimensions import needed, with_values
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.dashboards import dashboards_of, grafana_step
from cutover.metrics.grafana_kept import EARLIER, KEPT, NONE, GrafanaKept, GrafanaServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fake() -> Iterator[GrafanaFake]:
    made = GrafanaFake()
    yield made
    made.close()


def document(title: str = "Cutover of small", **more: Any) -> str:
    return json.dumps(
        {"uid": "cutover-small", "title": title, "panels": [{"id": 1, "expr": "rate(a[5m]) it's ü %s"}], **more}
    )


def step(fake: GrafanaFake, token: str = TOKEN) -> GrafanaKept:
    server = GrafanaServer(lambda: fake.url, fake.url, lambda: token, '"$GRAFANA"', folder="cutover")
    return GrafanaKept(name="grafana", server=server, document=document())


def moved(one: GrafanaKept, target: str) -> None:
    for command in one.commands(target):
        command.run(Deadline.after(10))


def test_the_step_keeps_its_contract(fake: GrafanaFake, tmp_path: Path) -> None:
    def stray() -> None:
        fake.dashboards["cutover-small"] = {**json.loads(document("theirs")), "id": 1, "version": 3}
        fake.folders["cutover-small"] = ""

    holds(lambda: step(fake), state_dir=tmp_path, reset=fake.dashboards.clear, strays=[stray])


def test_it_is_made_once_and_replaced_where_it_is(fake: GrafanaFake) -> None:
    one = step(fake)
    assert taken(one, dry=True) == f"~ {NONE} → {KEPT}" and fake.saves == 0
    assert taken(one, dry=False) == f"✓ {NONE} → {KEPT}"
    assert taken(one, dry=False) == f"= {KEPT}" and fake.saves == 1
    assert fake.folders["cutover-small"] == "cutover"
    fake.folders["cutover-small"] = "elsewhere"  # a person has moved it
    newer = replace(one, document=document("newer"), earlier=one.document, before=EARLIER)
    assert taken(newer, dry=False) == f"✓ {EARLIER} → {KEPT}"
    assert fake.folders["cutover-small"] == "elsewhere" and fake.dashboards["cutover-small"]["version"] == 2
    moved(newer, EARLIER)
    assert one.observe() == KEPT


def test_what_is_changed_while_we_write_is_not_overwritten(fake: GrafanaFake) -> None:
    one = step(fake)
    moved(one, KEPT)

    def somebody() -> None:
        fake.dashboards["cutover-small"] |= {"title": "theirs", "version": 9}

    fake.before_save = somebody
    newer = replace(one, document=document("newer"), earlier=one.document, before=EARLIER)
    with pytest.raises(StepFailed, match="changed under our hands: The dashboard has been changed by someone else"):
        moved(newer, KEPT)
    assert fake.dashboards["cutover-small"]["title"] == "theirs"
    with pytest.raises(StepFailed, match="changed under our hands: another dashboard of that uid"):
        moved(one, NONE)


def test_a_lost_answer_is_read_back_and_nothing_is_written_twice(fake: GrafanaFake) -> None:
    fake.lose = 1
    moved(step(fake), KEPT)
    assert (step(fake).observe(), fake.saves) == (KEPT, 1)


@pytest.mark.parametrize(
    ("title", "folder", "reason"),
    [
        ("Cutover of small", "nowhere", r"status 404\): folder not found"),
        ("taken", "cutover", "A dashboard with the same name in the folder already exists"),
    ],
)
def test_what_it_refuses_is_said(fake: GrafanaFake, title: str, folder: str, reason: str) -> None:
    fake.dashboards["other"], fake.folders["other"] = (
        {"title": "taken", "uid": "other", "id": 1, "version": 1},
        "cutover",
    )
    one = step(fake)
    refused = replace(one, document=document(title), server=replace(one.server, folder=folder))
    with pytest.raises(StepFailed, match=reason):
        moved(refused, KEPT)
    assert fake.saves == 0


def test_a_provisioned_one_stays(fake: GrafanaFake) -> None:
    one = step(fake)
    moved(one, KEPT)
    fake.provisioned.add("cutover-small")
    newer = replace(one, document=document("newer"), earlier=one.document, before=EARLIER)
    with pytest.raises(StepFailed, match="Cannot save provisioned dashboard"):
        moved(newer, KEPT)


def test_a_wrong_token_is_no_empty_grafana(fake: GrafanaFake) -> None:
    with pytest.raises(Unreachable, match="Grafana: status 401: Invalid API key") as refused:
        step(fake, "glsa_wr0ng").observe()
    assert "wr0ng" not in str(refused.value) and "t0psecret" not in repr(step(fake))


def test_a_person_can_type_it(fake: GrafanaFake) -> None:
    def typed(script: str) -> str:
        words = ["bash", "-c", script]
        done = subprocess.run(words, env={"PATH": "/usr/bin:/bin", "GRAFANA": TOKEN}, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    one = step(fake)
    newer = replace(one, document=document("newer"), earlier=one.document, before=EARLIER)
    assert typed(one.check_shell()) == "none\n"
    for each, target in ((one, KEPT), (newer, KEPT), (newer, EARLIER)):
        typed(each.commands(target)[0].shell())
        assert each.observe() == target
    assert typed(one.check_shell()) == "cutover-small version 3\n" and fake.folders["cutover-small"] == "cutover"
    typed(one.commands(NONE)[0].shell())
    assert one.observe() == NONE


def opened(fake: GrafanaFake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    text = (ROOT / "environments" / "local-watched.yaml").read_text(encoding="utf-8")
    words = f"metrics:\n  grafana: {{url: '{fake.url}', token: env:GRAFANA_TOKEN, folder: cutover}}\n"
    (folder / "local-watched.yaml").write_text(text.replace("metrics:", words, 1).replace(words + " ", words + "#"), encoding="utf-8")  # fmt: skip
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    return open_environment("local-watched", directory=folder)


def test_an_environment_brings_its_dashboard_and_takes_it_away(
    fake: GrafanaFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(fake, tmp_path, monkeypatch)
    made = dashboards_of(app)

    def brought(*, remove: bool = False) -> str:
        one = grafana_step(app, made, remove=remove)
        assert isinstance(one, GrafanaKept)
        return taken(one, dry=False)

    assert brought() == f"✓ {NONE} → {KEPT}" and brought() == f"= {KEPT}"
    fake.dashboards["cutover-local-watched"]["refresh"] = "1m"
    assert brought() == f"✓ {EARLIER} → {KEPT}"
    assert brought(remove=True) == f"✓ {KEPT} → {NONE}" and brought(remove=True) == f"= {NONE}"
    fake.dashboards["cutover-local-watched"] = {"uid": "cutover-local-watched", "title": "mine", "id": 1, "version": 1}
    fake.folders["cutover-local-watched"] = ""
    for remove in (False, True):
        assert (
            grafana_step(app, made, remove=remove)
            == "the dashboard cutover-local-watched in Grafana is not ours, and stays"
        )


def test_an_environment_without_a_grafana_has_none() -> None:
    app = open_environment("prod", read_only=True, directory=ROOT / "environments")
    assert grafana_step(app, dashboards_of(app)) is None


def test_load_balancers_are_looked_up_in_what_grafana_asks_cloudwatch() -> None:
    found = dashboards_of(open_environment("prod", read_only=True, directory=ROOT / "environments")).grafana()
    assert needed(found) == (("LoadBalancer", "shop"), ("TargetGroup", "shop-blue"), ("TargetGroup", "shop-green"))
    filled = with_values(found, lambda name, text: f"app/{text}/1")
    assert needed(filled) == () and '"LoadBalancer": "app/shop/1"' in json.dumps(filled)
