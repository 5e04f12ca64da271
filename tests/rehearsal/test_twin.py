"""The twin of an environment: the same words but for what is listed, and the same plan; whatever else differs is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import worked_environment

from cutover.app import open_environment
from cutover.core.errors import Refused
from cutover.core.gate import Gate, Policy
from cutover.core.plan import Plan
from cutover.core.step import Step
from cutover.environment import Environment, load, names, parse
from cutover.rehearsal.same_plan import proven_same
from cutover.rehearsal.twin import Twin, twin_of
from cutover.rehearsal.words import ADDRESS, OUTSIDE, TIME, Words
from cutover.world.sites import Balanced, Weighted

POOL_TOO = (
    "clients: {kind: pgbouncer, admin: env:POOL, database: books, file: /etc/other.ini, blue: a:5432, green: b:5432}"
)
COMMITTED = Path(__file__).parents[2] / "environments"


def twin(environment: Environment) -> Twin:
    return twin_of(environment, rows=2000, rate=30, watched=True)


def plans(tmp_path: Path, found: Twin) -> tuple[Plan, Plan]:
    name = found.environment.name
    (tmp_path / f"{name}.yaml").write_text(found.text, encoding="utf-8")
    real = open_environment(name, read_only=True, directory=COMMITTED)
    return real.plan, open_environment(name, read_only=True, directory=tmp_path).plan


@pytest.fixture(scope="module")
def staging() -> Twin:
    return twin(load("staging", COMMITTED))


@pytest.mark.parametrize("name", names(COMMITTED))
def test_words_that_nobody_rewrites_are_the_same_environment(name: str) -> None:
    environment = load(name, COMMITTED)
    assert parse(Words.of(environment).text(), name=name, file="x") == environment


def test_each_rewritten_word_is_listed_and_no_other_differs(staging: Twin) -> None:
    was, now = (Words.of(one).document for one in (load("staging", COMMITTED), staging.environment))
    differs = set(_differing(was, now))
    listed = {one.path for one in staging.rewritten}
    assert differs, "the comparison sees something"
    unlisted = {path for path in differs if not any(path == one or path.startswith(f"{one}.") for one in listed)}
    assert not unlisted
    assert {one.why for one in staging.rewritten} == {ADDRESS, OUTSIDE, TIME}


def _differing(was: Any, now: Any, path: str = "") -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        return [
            one for key in was.keys() | now.keys() for one in _differing(was.get(key), now.get(key), f"{path}.{key}")
        ]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        named = [str(one.get("name", n)) if isinstance(one, dict) else str(n) for n, one in enumerate(was)]
        return [one for key, a, b in zip(named, was, now, strict=True) for one in _differing(a, b, f"{path}.{key}")]
    return [] if was == now else [path.removeprefix(".")]


def test_what_the_issue_calls_the_same_stays(staging: Twin) -> None:
    was, now = load("staging", COMMITTED), staging.environment
    for word in ("window", "approvals", "maintenance", "owners", "triggers", "rollback", "checkpoints"):
        assert getattr(was, word) == getattr(now, word), word
    assert was.shift.shares == now.shift.shares and was.shift.limits == now.shift.limits
    assert [one.host for one in was.hostnames.values()] == [one.host for one in now.hostnames.values()]
    assert "STAGING" not in staging.text and "ssm:" not in staging.text and "https://" not in staging.text


def test_the_world_sells_at_the_environments_own_names(staging: Twin) -> None:
    shop, api = staging.likeness.sites
    assert shop == Balanced(
        "shop.staging.example.com",
        "staging.example.com",
        "shop-staging",
        "shop-staging-blue",
        "shop-staging-green",
        443,
    )
    assert isinstance(api, Weighted) and (api.blue, api.green_balancer) == ("blue", "api-staging-green")


def test_the_twins_plan_is_the_environments(staging: Twin, tmp_path: Path) -> None:
    real, other = plans(tmp_path, staging)
    assert proven_same(real, other, staging.rewritten, staging.not_rehearsed) > 60
    assert real.digest() != other.digest(), "the addresses are bound, too"


@pytest.fixture(scope="module")
def prod() -> Twin:
    return twin(load("prod", COMMITTED))


def test_production_has_a_twin_with_the_same_plan(prod: Twin, tmp_path: Path) -> None:
    real, other = plans(tmp_path, prod)
    assert proven_same(real, other, prod.rewritten, prod.not_rehearsed) > 100
    assert [guard.name for guard in real.guards] == [guard.name for guard in other.guards]
    assert not prod.environment.protected and prod.environment.approvals == load("prod", COMMITTED).approvals
    for secret in ("secretsmanager", "/var/log", "https://", "shop-prod", "internal"):
        assert secret not in prod.text, secret


def test_what_triggers_look_back_over_is_shorter_and_each_is_there(prod: Twin) -> None:
    was, now = load("prod", COMMITTED), prod.environment
    assert now.triggers.keys() == was.triggers.keys()
    for name, trigger in was.triggers.items():
        other = now.triggers[name]
        assert (other.then, other.during, other.blind, other.severity) == (
            trigger.then,
            trigger.during,
            trigger.blind,
            trigger.severity,
        )
        assert [(zone.above, zone.then) for zone in other.zones] == [(zone.above, zone.then) for zone in trigger.zones]
    assert now.triggers["leak"].when == "memory grows > 1200%/h over 30s"
    assert now.triggers["payments"].when == was.triggers["payments"].when
    assert now.shift.soaks == (35.0,) * 4 and now.shift.shares == was.shift.shares
    said = {one.what for one in prod.not_rehearsed}
    assert {"the triggers' spans", "checkpoints.every", "comparison: small differences"} <= said


def test_figures_are_asked_as_they_are_where_the_shop_has_them(prod: Twin) -> None:
    was, now = load("prod", COMMITTED).metrics.figures, prod.environment.metrics.figures
    for name in ("orders_per_minute", "integrity_failures", "takings", "payment_errors", "logged_errors"):
        assert (now[name].source, now[name].query) == (was[name].source, was[name].query), name
    assert now["error_rate"].source == "twin" and now["bill"].source == "stand-in"
    told = next(one.why for one in prod.not_rehearsed if one.what == "the figure checkout_failures")
    assert 'no route "/checkout"' in told and "it starts nothing: checkout" in told


def test_without_a_prometheus_a_comparison_has_no_twin() -> None:
    with pytest.raises(Refused) as refused:
        twin_of(load("prod", COMMITTED), rows=2000, rate=30, watched=False)
    assert "comparison: there is no Prometheus on this machine" in refused.value.message


@pytest.fixture(scope="module")
def worked() -> Twin:
    return twin(parse(worked_environment.WORDS, name=worked_environment.NAME, file="worked.yaml"))


def test_background_work_own_steps_and_several_databases_have_a_twin(worked: Twin, tmp_path: Path) -> None:
    real, other = (tmp_path / name for name in ("real", "twin"))
    for folder, text in ((real, worked_environment.WORDS), (other, worked.text)):
        folder.mkdir()
        (folder / "worked.yaml").write_text(text, encoding="utf-8")
    was, now = (open_environment("worked", read_only=True, directory=folder).plan for folder in (real, other))
    assert proven_same(was, now, worked.rewritten, worked.not_rehearsed) > 60
    for secret in ("secretsmanager", "ssm:", "https://", "internal", "/etc", "/var", "eu-central-1"):
        assert secret not in worked.text, secret


def test_the_world_has_what_works_beside_the_application(worked: Twin) -> None:
    like = worked.likeness
    assert [(one.runs_on["kind"], one.run) for one in like.background.workers] == [
        ("ecs", True),
        ("ecs", True),
        ("autoscaling", True),
        ("event-source", False),
        ("schedule", False),
        ("schedule", False),
    ]
    assert like.background.log_groups == ("/ecs/mails",)
    values = {
        "/worked/sender": "old mail",
        "/worked/token": "blue's value",
        "/worked/share": '{"green_percent": 0, "tablets": 0}\n',
    }
    assert like.background.parameters == values
    found = [(one.name, one.alias, one.blue, one.green) for one in like.background.functions]
    assert found == [("hooks", "live", 3, 5), ("hooks", "partners", 4, 5), ("old-hooks", "live", 1, 2)]
    assert worked.environment.configuration["token"].green != worked.environment.configuration["token"].blue
    assert (like.pools, like.without_tables, len(like.further)) == ({"books": "shop"}, frozenset({"hooks"}), 1)


def test_own_commands_only_note_their_state(worked: Twin) -> None:
    step = worked.environment.steps["banner"]
    assert "curl" not in step.observe + step.to + step.back and not step.variables
    told = {one.what for one in worked.not_rehearsed}
    assert {"steps.banner", "workers.mails", "databases.texts"} <= told


def test_the_file_of_the_pool_is_found_when_the_world_is_up(worked: Twin) -> None:
    text = worked.placed({"SHOP_POOL_FILE": "/var/there/pgbouncer.ini"}, Path("/var/flags"))
    assert "/var/there/pgbouncer.ini" in text and "/var/flags/admin" in text and "/in-the-twin" not in text


def changed(plan: Plan, name: str, **words: Any) -> Plan:
    phases = tuple(
        replace(phase, items=tuple(replace(item, **words) if item.name == name else item for item in phase.items))
        for phase in plan.phases
    )
    return replace(plan, phases=phases)


def test_whatever_else_differs_is_refused_with_its_name(staging: Twin, tmp_path: Path) -> None:
    real, other = plans(tmp_path, staging)
    gate = next(item for _, item in other.walk() if isinstance(item, Gate) and item.name == "green-tested")
    first, *rest = other.phases
    differing = {
        "item green-tested: on_fail": changed(other, gate.name, on_fail=Policy.FREEZE),
        "item green-tested: deadline": changed(other, gate.name, deadline=gate.deadline + 1),
        "phase window: budget": replace(
            other, phases=tuple(replace(p, budget=61.0) if p.name == "window" else p for p in other.phases)
        ),
        "phase prepare: owner": replace(other, phases=(replace(first, owner="traffic"), *rest)),
        "phase bake is in the real plan only": replace(other, phases=other.phases[:-1]),
        "guard one-writer: policy": replace(
            other, guards=(replace(other.guards[0], policy=Policy.NOTIFY), *other.guards[1:])
        ),
        "is in the real plan only": replace(other, phases=(replace(first, items=first.items[:-1]), *rest)),
    }
    for said, plan in differing.items():
        with pytest.raises(Refused) as refused:
            proven_same(real, plan, staging.rewritten, staging.not_rehearsed)
        assert said in refused.value.message, said


def test_another_state_of_a_step_is_refused(staging: Twin, tmp_path: Path) -> None:
    real, other = plans(tmp_path, staging)
    step = next(item for _, item in other.walk() if isinstance(item, Step) and item.name == "traffic-shop-100")
    rest = [one for one in staging.rewritten if one.was != 10]
    with pytest.raises(Refused) as refused:
        proven_same(real, other, rest, staging.not_rehearsed)
    assert "ttl-lowered-api" in refused.value.message and step.name not in refused.value.message


def test_another_kind_of_backup_or_line_is_explained_by_what_was_left_out_alone(prod: Twin, tmp_path: Path) -> None:
    real, other = plans(tmp_path, prod)
    for left, said in (("database.backup", "item blue-before-backup: kind"), ("readiness.tests", "")):
        rest = [one for one in prod.not_rehearsed if one.what != left]
        if not said:
            proven_same(real, other, prod.rewritten, rest)
            continue
        with pytest.raises(Refused) as refused:
            proven_same(real, other, prod.rewritten, rest)
        assert said in refused.value.message and "ready-" not in refused.value.message


def test_waits_may_be_shorter_only_where_waits_were_shortened(staging: Twin, tmp_path: Path) -> None:
    real, other = plans(tmp_path, staging)
    with pytest.raises(Refused) as refused:
        proven_same(real, other, [one for one in staging.rewritten if one.why != TIME], staging.not_rehearsed)
    assert "soak-10: hold is 300, in the twin 2" in refused.value.message


def test_everything_without_a_twin_is_said_at_once() -> None:
    with pytest.raises(Refused) as refused:
        twin(load("local-flag", COMMITTED))
    for said in ("flags: suggestions", "shared_database", "hostnames.suggestions.carrier: kind flag"):
        assert said in refused.value.message
    words = worked_environment.WORDS.replace("schema: copied", POOL_TOO)
    with pytest.raises(Refused) as refused:
        twin(parse(words, name=worked_environment.NAME, file="worked.yaml"))
    assert "databases.mails.clients: several PgBouncers with one entry's name" in refused.value.message


@pytest.mark.parametrize(
    ("words", "other", "said"),
    [
        ("rule: {host: shop.worked.example.com}", "rule: {host: shop.worked.example.com, path: /app/*}", "a rule for a part of it"),
        ("kind: alb, load_balancer: worked, blue: office", "kind: alb, load_balancer: worked, listener_port: 8080, blue: office", "worked with several listeners (80, 8080)"),
        ("key: tablets}", "key: tablets}\n    observed: {tag: {header: x-side, blue: b, green: g}}", "hostnames.tablets.observed.tag: nobody"),
        ("key: tablets}", "key: tablets, reported: [env:TABLETS]}", "hostnames.tablets.carrier: kind ssm with reported"),
        ("bus: jobs", "bus: aws.partner/example.com/jobs", "workers.hourly: a rule on a partner's event bus"),
        ("load_balancers: [worked]", "load_balancers: [worked, elsewhere]", "maintenance.load_balancers: elsewhere"),
    ],
)  # fmt: skip
def test_what_has_no_twin_is_refused_before_anything_is_started(words: str, other: str, said: str) -> None:
    assert words in worked_environment.WORDS
    text = worked_environment.WORDS.replace(words, other)
    with pytest.raises(Refused) as refused:
        twin(parse(text, name=worked_environment.NAME, file="worked.yaml"))
    assert said in refused.value.message


@pytest.mark.parametrize("name", ["local", "local-databases", "local-maintenance", "local-watched"])
def test_a_local_environment_has_a_twin_too(name: str) -> None:
    found = twin(load(name, COMMITTED))
    assert found.environment.name == name
    assert not [one for one in found.rewritten if one.why == TIME and one.now > one.was]
