"""The commands about flags by which applications route: look, raise, go back at once, and ask whether to go on."""

from collections.abc import Callable, Sequence
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say
from cutover.cli.looking import ENV, when

FLAG = "the flag, as it stands under `flags`; the only one when left out"
REASON = "why; goes into the flag and into the record"
DRY = "say what would be written, write nothing"
JSON = "one document on standard output"
YES = "don't ask; a protected environment wants --version as well"
VERSION = "only over this version of the flag, as flag.status showed it"
ENDINGS = {"READY": 0, "HOLD": 8, "ROLL BACK": 1}


@task(
    help={
        "env": ENV,
        "flag": FLAG.replace("the only one", "all"),
        "record": "every change and attestation that was recorded, oldest first",
        "json": JSON,
    }
)
@ended
def status(c: Context, env: str = "", flag: str = "", record: bool = False, json: bool = False) -> None:
    """Where each flag stands, who changed it last and why; ends with 1 when one cannot be read. Example: invoke flag.status --env prod"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import CutoverError
    from cutover.flag_desk import desks
    from cutover.flags.changing import as_data, told

    app = opened(named(env), read_only=True)
    found, broken = [], False
    for desk in desks(app, flag):
        entry: dict[str, Any] = {"name": desk.name, "store": str(desk.words.store), "carried_by": ""}
        try:
            seen = desk.look()
            entry |= {"seen": told(seen), "flag": as_data(seen), "readable": not isinstance(seen, Exception)}
        except CutoverError as error:
            entry |= {"seen": error.message, "flag": None, "readable": False}
        try:
            words = desk.recorded()
            entry |= {"carried_by": desk.carried_by(), "changes": len(words)}
            if record:
                entry["record"] = [{"kind": kind, **word} for kind, word in words]
        except CutoverError as error:
            entry["unrecorded"] = error.message
        broken = broken or not entry["readable"]
        found.append(entry)
    if json:
        print_json({"schema": "cutover.flags/1", "environment": app.environment.name, "flags": found})
    else:
        for entry in found:
            put(f"{entry['name']}: {entry['seen']}   ({entry['store']})")
            document = entry["flag"] if isinstance(entry["flag"], dict) else {}
            if document.get("reason"):
                put(f"  {document['changed_at']} {document['author']}: {document['reason']}")
            if entry["carried_by"]:
                put(f"  run {entry['carried_by']} carries its share by it")
            for word in entry.get("record", ()):
                put(f"  {when(word['at'])} {word['who']} {word['kind']} {_in_words(word)}")
            if "unrecorded" in entry:
                put(f"  the record cannot be read: {entry['unrecorded']}")
    if broken:
        raise Exit(code=1)


@task(
    positional=["percent"],
    help={"percent": "0 to 100", "env": ENV, "flag": FLAG, "reason": REASON, "yes": YES, "version": VERSION,
          "dry-run": DRY, "json": JSON},
)  # fmt: skip
@ended
def enable(
    c: Context, percent: str, env: str = "", flag: str = "", reason: str = "", yes: bool = False, version: str = "",
    dry_run: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Switch a flag on at a share, making it where there is none. Example: invoke flag.enable 5 --env prod --flag suggestions --reason "first canary" """
    _raised(c, "enable", percent, env, flag, reason, yes=yes, version=version, dry_run=dry_run, as_json=json)


@task(
    name="set",
    positional=["percent"],
    help={"percent": "0 to 100", "env": ENV, "flag": FLAG, "reason": REASON, "yes": YES, "version": VERSION,
          "dry-run": DRY, "json": JSON},
)  # fmt: skip
@ended
def set_share(
    c: Context, percent: str, env: str = "", flag: str = "", reason: str = "", yes: bool = False, version: str = "",
    dry_run: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Change a flag's share; one that is off stays off. Example: invoke flag.set 25 --env prod --flag suggestions --reason "soak is over" """
    _raised(c, "set", percent, env, flag, reason, yes=yes, version=version, dry_run=dry_run, as_json=json)


@task(help={"env": ENV, "flag": FLAG, "reason": REASON, "dry-run": DRY, "json": JSON})
@ended
def disable(
    c: Context, env: str = "", flag: str = "", reason: str = "", dry_run: bool = False, json: bool = False
) -> None:
    """Switch a flag off and keep its share: legacy answers as soon as the processes have read it. Example: invoke flag.disable --env prod --reason "maintenance" """
    _back(c, "disable", env, flag, reason, dry_run=dry_run, as_json=json)


@task(positional=["reason"], help={"reason": REASON, "env": ENV, "flag": FLAG, "dry-run": DRY, "json": JSON})
@ended
def rollback(c: Context, reason: str, env: str = "", flag: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Set a flag to 0 and off, at once, without a question; ends with 7 when that could not be read back. Example: invoke flag.rollback "p95 doubled" --env prod --flag suggestions"""
    _back(c, "rollback", env, flag, reason, dry_run=dry_run, as_json=json)


@task(help={"env": ENV, "flag": FLAG.replace("the only one", "all"), "json": JSON})
@ended
def metrics(c: Context, env: str = "", flag: str = "", json: bool = False) -> None:
    """What the routers of all processes counted, added up; ends with 1 when one cannot be read. Example: invoke flag.metrics --env prod"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.flag_desk import desks

    app = opened(named(env), read_only=True)
    found = {desk.name: desk.counted() for desk in desks(app, flag)}
    if json:
        flags = {name: _counts(one) for name, one in found.items()}
        print_json({"schema": "cutover.flag-metrics/1", "environment": app.environment.name, "flags": flags})
    else:
        for name, one in found.items():
            _print_counts(name, one)
    if any(one.unread or one.total is None for one in found.values()):
        raise Exit(code=1)


@task(
    help={
        "env": ENV,
        "flag": FLAG,
        "complaints": "`none`: you attest that there is no critical one; else what there is; goes into the record",
        "dry-run": "record nothing",
        "json": JSON,
    }
)
@ended
def check(
    c: Context, env: str = "", flag: str = "", complaints: str = "", dry_run: bool = False, json: bool = False
) -> None:
    """Whether the candidate may get more: READY (0), HOLD (8: something is not known yet) or ROLL BACK (1). Example: invoke flag.check --env prod --complaints none"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.flag_desk import desk

    app = opened(named(env), read_only=is_dry(c, dry_run))
    one = desk(app, flag)
    verdict, rows, counted = one.check(complaints.strip() or None)
    if json:
        criteria = [{"name": r.name, "wanted": r.wanted, "seen": r.seen, "answer": r.answer.value} for r in rows]
        document = {"schema": "cutover.flag-check/1", "environment": app.environment.name, "flag": one.name}
        print_json({**document, "verdict": verdict, "criteria": criteria, "counted": _counts(counted)})
    else:
        signs = {"well": "✓", "failed": "✗", "insufficient": "?"}
        for row in rows:
            put(f"  {signs[row.answer.value]} {row.name:<14} {row.wanted:<44} {row.seen}")
        put(verdict)
    name = f"--env {app.environment.name} --flag {one.name}"
    if verdict == "ROLL BACK":
        say(f"next: invoke flag.rollback 'why' {name}")
    if verdict != "READY":
        raise Exit(code=ENDINGS[verdict])


def _raised(
    c: Context, command: str, percent: str, env: str, flag: str, reason: str, *, yes: bool, version: str, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    from cutover.cli.opening import confirm, is_dry, named, opened
    from cutover.core.errors import Refused
    from cutover.flag_desk import desk
    from cutover.flags.changing import told

    dry = is_dry(c, dry_run)
    app = opened(named(env), read_only=dry)
    one = desk(app, flag)
    if version and not version.isdecimal():
        raise Refused(f"--version wants a number, as flag.status shows it, not {version[:40]}")
    if dry:
        say(f"would {command} {one.name} at {percent} in {one.words.store}; now: {told(one.look())}")
        return
    if app.environment.protected and yes and not version:
        raise Refused(
            f"{app.environment.name} is protected: --yes alone is not enough",
            next_command=f"invoke flag.status --env {app.environment.name}, then give --yes --version N as well",
        )
    if not yes:
        confirm(app, f"flag.{command} {one.name} at {percent}", yes=False, approve="")
    act: Callable[..., Any] = one.enable if command == "enable" else one.set
    _say_done(app, one, command, act(percent, reason, version=int(version) if version else None), as_json=as_json)


def _back(c: Context, command: str, env: str, flag: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
    from cutover.cli.opening import is_dry, named, opened
    from cutover.flag_desk import desk
    from cutover.flags.changing import told

    dry = is_dry(c, dry_run)
    app = opened(named(env), read_only=dry)
    one = desk(app, flag)
    if dry:
        say(f"would {command} {one.name} in {one.words.store}; now: {told(one.look())}")
        return
    done = one.disable(reason) if command == "disable" else one.rollback(reason)
    _say_done(app, one, command, done, as_json=as_json)
    if done.carried_by:
        name = app.environment.name
        was = done.changed.before
        sees = "it finds it changed, and stops without touching it" if was and was.buckets else "it may still raise it"
        say(f"run {done.carried_by} carries its share by this flag: {sees}")
        say(f"next: invoke rollback --env {name} --reason '…'")


def _say_done(app: Any, desk: Any, command: str, done: Any, *, as_json: bool) -> None:
    from cutover.cli.opening import print_json
    from cutover.flags.changing import as_data, told

    changed = done.changed
    if as_json:
        document = {"schema": "cutover.flag-change/1", "environment": app.environment.name, "flag": desk.name}
        document |= {"command": command, "wrote": changed.wrote, "unrecorded": done.unrecorded}
        print_json({**document, "before": as_data(changed.before), "after": as_data(changed.after)})
    before = told(changed.before)
    say(f"{desk.name}: {told(changed.after)}; " + (f"before: {before}" if changed.wrote else "it stood so already"))
    if done.unrecorded:
        say(f"NOT RECORDED: {done.unrecorded}")
        say(f"  write it down: {desk.name}, {command}, {told(changed.after)}, before: {before}")
        if command in ("enable", "set"):
            raise Exit(code=1)


def _in_words(word: dict[str, Any]) -> str:
    """A recorded word in a line."""
    if word["kind"] == "attested":
        return f"complaints {word['complaints']} as {word['role']}: {word['verdict']}"
    moves = [
        f"{name} {flag['share']:g} % {'on' if flag['enabled'] else 'off'}"
        for name in ("before", "after")
        if isinstance(flag := word.get(name), dict)
    ]
    failed = [word["error"]] if "error" in word else []
    return "; ".join([f"{word['command']} ({word['reason']})", *moves, *failed])


def _counts(one: Any) -> dict[str, Any]:
    total = one.total.document() if one.total else None
    return {"total": total, "oldest": one.oldest, "shares": one.shares, "unread": one.unread}


def _print_counts(name: str, one: Any) -> None:
    shares: Sequence[float] = sorted(set(one.shares.values()))
    told = ", ".join(f"{share:g} %" for share in shares) or "no share is known"
    put(f"{name}: {len(one.shares)} of {len(one.shares) + len(one.unread)} processes, at {told}")
    for place, why in one.unread.items():
        put(f"  ✗ {place} {why}")
    if one.total is None:
        return
    put(f"  {'side':<10} {'requests':>9} {'errors':>14} {'fallbacks':>14} {'p50':>9} {'p95':>9} {'p99':>9}")
    for side, counts in (("legacy", one.total.legacy), ("candidate", one.total.candidate)):
        times = [counts.response_time.quantile(q) for q in (0.5, 0.95, 0.99)]
        shown = " ".join(f"{'-':>9}" if one is None else f"{1000 * one:>6.3g} ms" for one in times)
        errors = _rated(counts.errors, counts.error_rate)
        put(
            f"  {side:<10} {counts.requests:>9} {errors:>14} {_rated(counts.fallbacks, counts.fallback_rate):>14} {shown}"
        )
    if one.total.compared:
        put(f"  compared {one.total.compared}, mismatches {one.total.mismatches}, skipped {one.total.skipped}")


def _rated(count: int, rate: float | None) -> str:
    return f"{count}" if rate is None else f"{count} ({100 * rate:.3g} %)"
