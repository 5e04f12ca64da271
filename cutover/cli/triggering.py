"""The commands about triggers: what each of them says now, and what it would have done in the past."""

import time
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put
from cutover.cli.looking import ENV

SIGNS = {"pass": "✓", "fail": "✗", "insufficient": "…", "blind": "?"}


@task(help={"env": ENV, "name": "this trigger only", "json": "one document on standard output"})
@ended
def triggers(c: Context, env: str = "", name: str = "", json: bool = False) -> None:
    """Judge every trigger once; 0 all well, 1 one fires, 2 one has no verdict. Example: invoke triggers --env prod"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import ConfigurationRefused
    from cutover.plans.triggered import Triggered
    from cutover.plans.triggered import triggers as rules_of

    app = opened(named(env), read_only=True)
    found = [rule for rule in rules_of(app.means) if name in ("", rule.name)]
    if not found:
        known = ", ".join(rule.name for rule in rules_of(app.means))
        odd = f"no trigger {name!r}; there are {known}" if known else "no triggers: write them under triggers"
        raise ConfigurationRefused([f"{app.environment.name} has {odd}"])
    now, figures = time.time(), app.means.figures()
    if app.looks is not None:
        app.looks.want([asked for rule in found for asked in rule.condition.spans(now)])
    lines: list[dict[str, Any]] = []
    for rule in found:
        check = Triggered(rule=rule, environment=app.environment.name, figures=lambda: figures)
        finding = check.look()
        lines.append(
            {
                "trigger": rule.name,
                "verdict": finding.verdict.value,
                "seen": finding.seen,
                "when": str(rule.condition),
                "then": str(rule.action),
                "during": list(rule.during),
            }
        )
    app.close()
    if json:
        print_json({"schema": "cutover.triggers/1", "environment": app.environment.name, "at": now, "triggers": lines})
    else:
        for line in lines:
            put(f"  {SIGNS[line['verdict']]} {line['trigger']:<22} {line['verdict']}: {line['seen']}")
            put(f"      {line['when']} → {line['then']} (in {', '.join(line['during'])})")
    verdicts = {line["verdict"] for line in lines}
    if verdicts != {"pass"}:
        raise Exit(code=1 if "fail" in verdicts else 2)


@task(help={"env": ENV, "json": "one document on standard output"})
@ended
def compare(c: Context, env: str = "", json: bool = False) -> None:
    """Compare green with blue at the share that is in force, once; 0 no worse, 1 worse, 2 no verdict. Example: invoke compare --env prod"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import ConfigurationRefused
    from cutover.core.guarding import found
    from cutover.plans.compared import can_be_compared, green_no_worse, in_force

    app = opened(named(env), read_only=True)
    words = app.environment.comparison
    if words is None:
        raise ConfigurationRefused([f"{app.environment.name} compares nothing: write `comparison`"])
    percent = in_force(app.means)
    checks = can_be_compared(app.means)
    if percent is not None:
        checks.append((f"{percent:g} %", green_no_worse(app.means, words, percent)))
    lines = [(name, found(check)) for name, check in checks]
    app.close()
    if json:
        shown = [{"at": name, "verdict": one.verdict.value, "seen": one.seen, **one.data} for name, one in lines]
        print_json({"schema": "cutover.compare/1", "environment": app.environment.name, "compared": shown})
    else:
        for name, one in lines:
            put(f"  {SIGNS[one.verdict.value]} {name:<12} {one.verdict.value}: {one.seen}")
        if percent is None:
            put("no share below 100 % is in force")
    verdicts = {one.verdict.value for _, one in lines[1:]}
    if "fail" in verdicts or "pass" not in verdicts:
        raise Exit(code=1 if "fail" in verdicts else 2)


@task(
    help={
        "env": ENV,
        "since": "how far back: 14d, 6h",
        "incident": "a trouble that is known: NAME=2026-03-01T10:00/2026-03-01T11:30 (UTC); may be given again",
        "side": "whose past stands for green's: blue, before there is a green",
        "json": "one document on standard output",
    },
    iterable=["incident"],
)
@ended
def backtest(
    c: Context,
    env: str = "",
    since: str = "14d",
    incident: list[str] | None = None,
    side: str = "blue",
    json: bool = False,
) -> None:
    """What the triggers would have done in the past: false rollbacks, and how fast incidents were found. Example: invoke backtest --env prod --since 14d"""
    from dataclasses import asdict

    from cutover.backtesting import backtested, incidents_of, seconds_of
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import ConfigurationRefused

    app = opened(named(env), read_only=True)
    if side not in ("blue", "green"):
        raise ConfigurationRefused([f"--side is blue or green, not {side!r}"])
    known = incidents_of(incident or [])
    until = time.time()
    found = backtested(app, until - seconds_of(since), until, known, side=side)
    if json:
        document = {"schema": "cutover.backtest/1", "environment": app.environment.name, "until": until}
        shown = {
            name: {**asdict(one), "looks": {verdict.value: count for verdict, count in one.looks.items()}}
            for name, one in found.tested.items()
        }
        print_json({**document, "triggers": shown, "not_tested": found.untested})
        return
    for name, one in found.tested.items():
        put(f"\n{name}\n  " + str(one).replace("\n", "\n  "))
    for name, why in found.untested.items():
        put(f"\n{name}\n  not tested: {why}")
