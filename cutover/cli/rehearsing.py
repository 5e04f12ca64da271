"""The command that rehearses an environment's plan in a local twin of it: rehearse."""

from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say

FEWEST, MOST = 1, 1_000_000  # rows in a table


@task(
    help={
        "env": "environment: a file environments/NAME.yaml; nothing of it is contacted",
        "schema": "a plain `pg_dump --schema-only` file, whose tables stand beside the demo shop's",
        "from": "read that schema from this side, blue or green, where its address is an environment variable that is set",
        "scale": "rows in each of the schema's tables (1000)",
        "seed": "of the generated rows (1)",
        "faults": "then the same plan under faults: `all` (each one where it does most), or seeds, separated by commas",
        "keep": "leave the twin as it is at the end, to look at",
        "dry-run": "show which words are others in the twin and what is not rehearsed; nothing is started",
        "json": "the record on standard output",
    }
)
@ended
def rehearse(
    c: Context,
    env: str = "",
    schema: str = "",
    from_: str = "",
    scale: int = 1000,
    seed: int = 1,
    faults: str = "",
    keep: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """The environment's own plan in a local twin: forward, back from every phase, forward again. Example: invoke rehearse --env staging --schema schema.sql"""
    from cutover.app import home
    from cutover.cli.opening import is_dry, named, print_json
    from cutover.core.errors import ConfigurationRefused, Refused

    if not FEWEST <= scale <= MOST:
        raise ConfigurationRefused([f"--scale is from {FEWEST} to {MOST:,} rows in a table, not {scale}"])
    if schema and from_:
        raise ConfigurationRefused(["--schema is a file, --from a side to read it from: give one of them"])
    try:
        from cutover.rehearsal.rehearse import Rehearsal, Wanted, written
        from cutover.rehearsal.schema_file import read, read_from
    except ImportError as error:
        raise Refused(
            f"the local world is not installed ({error.name})", next_command="pip install -e '.[local]'"
        ) from error
    name = named(env)
    asked = _faults(faults)
    found = read(Path(schema)) if schema else read_from(name, from_) if from_ else None
    rehearsal = Rehearsal(name, Wanted(scale, seed, found, asked, keep), home() / "rehearsal" / name, say)
    _told(rehearsal.twin)
    for schedule in rehearsal.schedules:
        put(f"under faults: {schedule}")
    if is_dry(c, dry_run):
        return
    document = rehearsal.walked()
    places = written(name, document)
    if json:
        print_json(document)
    for place in places:
        say(f"{place} written; commit it with the runbooks")
    if document["why"]:
        say(f"the rehearsal failed: {document['why']}")
        raise Exit(code=1)
    say(
        f"rehearsed: {len(document['legs'])} legs, {len(document['undone'])} steps taken back, nothing lost, nothing doubled"
    )


def _faults(asked: str) -> str:
    from cutover.core.errors import ConfigurationRefused

    if asked and asked != "all" and not all(one.isdecimal() for one in asked.split(",")):
        raise ConfigurationRefused([f"--faults is `all`, or seeds such as 7 or 7,8,9, and not {asked!r}"])
    return asked


def _told(twin: Any) -> None:
    """Which words are others in the twin, and what is not rehearsed."""
    put(f"{len(twin.rewritten)} words of {twin.environment.name} are others in the twin:")
    for one in twin.rewritten:
        put(f"  {one.why:<8} {one.path}: {_short(one.was)} → {_short(one.now)}")
    put("not rehearsed:")
    for one in twin.not_rehearsed:
        put(f"  {one.what}: {one.why}")


def _short(value: object) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= 70 else text[:69] + "…"
