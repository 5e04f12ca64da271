"""The command that lets things go wrong: faults."""

import os
import signal
import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say
from cutover.cli.setting_up import provide_tools, run

if TYPE_CHECKING:
    from cutover.faults.matrix import Tally
    from cutover.faults.schedule import Schedule

RECORD = Path("runbooks/faults.json")
PAGE = Path("runbooks/faults.md")


@task(
    help={
        "kills": "kill -9 at every journal boundary of the whole plan, forward and back, on the real world, and every death of "
        "the steps of which the tests try a sample",
        "sample": "only so many places, picked by the seed",
        "seed": "for the sample",
        "list": "name the faults and the places, and end",
        "only": "these faults, separated by commas, at every place or at those of --at",
        "at": "these places, separated by commas",
        "all": "every fault at every place",
        "seeds": "so many schedules of two or three faults",
        "first": "the first seed (1)",
        "schedule": "this one: fault@place,fault@place",
        "worlds": "how many local worlds at once (1)",
        "minutes": "begin no other schedule after so many minutes",
        "rest": "leave out what runbooks/faults.json says was tried and went well",
        "record": "put the outcomes into runbooks/faults.json and faults.md, each as soon as it is known",
        "json": "one document on standard output",
    }
)
@ended
def faults(
    c: Context,
    kills: bool = False,
    sample: int = 0,
    seed: int = 1,
    list: bool = False,
    only: str = "",
    at: str = "",
    all: bool = False,
    seeds: int = 0,
    first: int = 1,
    schedule: str = "",
    worlds: int = 1,
    minutes: float = 0.0,
    rest: bool = False,
    record: bool = False,
    json: bool = False,
) -> None:
    """Let things go wrong in the middle of cutovers with customers. Example: invoke faults --only kill-blue --at locked"""
    from cutover.core.errors import ConfigurationRefused

    if list:
        _listed()
        return
    if not (only or at or all or seeds or schedule):
        _killed(kills, sample, seed)
        return
    if sum(map(bool, (only or at, all, seeds, schedule))) > 1:
        raise ConfigurationRefused(["one of --only/--at, --all, --seeds and --schedule, not several"])
    if worlds < 1 or seeds < 0 or minutes < 0:
        raise ConfigurationRefused(["--worlds is at least 1, --seeds and --minutes are no less than 0"])
    signal.signal(signal.SIGTERM, _end)
    if rest and (seeds or schedule):
        raise ConfigurationRefused(["--rest goes with --all, --only and --at"])
    wanted = _wanted(only, at, seeds, first, schedule, rest=rest)
    _tried(wanted, worlds, minutes, record=record, json=json, drawn=bool(seeds or schedule))


def _listed() -> None:
    from cutover.faults.catalogue import FAULTS
    from cutover.faults.places import PLACES

    for fault in FAULTS:
        lacking = fault.lacking()
        put(f"{fault.name:<28} {fault.why}{f' (skipped here: needs {lacking})' if lacking else ''}")
    put()
    for place in PLACES:
        put(f"@{place.name:<27} {place.why}")


def _wanted(only: str, at: str, seeds: int, first: int, schedule: str, *, rest: bool) -> "list[Schedule]":
    """The schedules that were asked for; raises ConfigurationRefused for a name that is not known."""
    from cutover.core.errors import ConfigurationRefused
    from cutover.faults.catalogue import FAULTS, fault_named
    from cutover.faults.matrix import rounds
    from cutover.faults.places import PLACES, place_named
    from cutover.faults.record import read, well_tried
    from cutover.faults.schedule import Schedule, Strike, drawn

    if schedule:
        return [Schedule.read(schedule)]
    if seeds:
        return [drawn(number) for number in range(first, first + seeds)]
    faults = [fault_named(name.strip()) for name in only.split(",")] if only else FAULTS
    places = [place_named(name.strip()) for name in at.split(",")] if at else PLACES
    found = [strike for fault in faults for place in places if (strike := Strike(fault, place)).possible]
    if not found:
        raise ConfigurationRefused(["these faults are done to the program, and at these places it does not run yet"])
    tried = well_tried(read(RECORD)) if rest else set()
    return rounds([strike for strike in found if str(strike) not in tried])


def _tried(schedules: "list[Schedule]", worlds: int, minutes: float, *, record: bool, json: bool, drawn: bool) -> None:
    from cutover.cli.opening import print_json
    from cutover.faults import record as table
    from cutover.faults.matrix import run as tried

    kind = table.DRAWN if drawn else table.CELLS
    former = table.read(RECORD) if record else None

    def keep(tally: "Tally") -> None:
        if record:
            _kept(table.joined(former, table.document(tally, kind)))

    tally = tried(schedules, say, worlds=worlds, seconds=60 * minutes or float("inf"), kept=keep)
    found = table.document(tally, kind)
    for name, lacking in tally.skipped.items():
        say(f"skipped: {name}: this machine lacks {lacking}")
    if record:
        keep(tally)
        say(f"{RECORD} and {PAGE} are written")
    if json:
        print_json(found)
    elif not record:
        put(table.markdown(found), end="")
    tried_of = f"{len(found[kind])} ways" if drawn else f"{found['tried']} of {found['cells']} cells"
    say(f"{tried_of} tried, {found['defects']} defects")
    _repeated(schedules, tally)
    if tally.defects:
        raise Exit(code=1)


def _kept(found: dict[str, Any]) -> None:
    from cutover.faults.record import markdown
    from cutover.runbook.files import replaced

    RECORD.parent.mkdir(exist_ok=True)
    replaced(RECORD, dumps(found, indent=1, ensure_ascii=False) + "\n")
    replaced(PAGE, markdown(found))


def _repeated(schedules: "list[Schedule]", tally: "Tally") -> None:
    """For each schedule that failed the shortest one that still does, as the command that repeats it."""
    from cutover.faults.matrix import shrunk

    failing = {strike for result in tally.defects for strike in result.strikes}
    for schedule in schedules:
        if failing & set(map(str, schedule.strikes)):
            say(f"{schedule} fails; looking for the shortest one that does …")
            say(f"again: {shrunk(schedule).command()}")


def _killed(kills: bool, sample: int, seed: int) -> None:
    """The tests that kill the program, as pytest runs them."""
    provide_tools(install=True, pages=False)
    environ = {
        **os.environ,
        "CUTOVER_KILL_PLACES": str(sample) if sample or not kills else "all",
        "CUTOVER_SEED": str(seed),
    }
    if environ["CUTOVER_KILL_PLACES"] == "all":
        sampled = ["tests/postgres", "tests/aws", "tests/machine", "-m", "sampled"]
        run([sys.executable, "-m", "pytest", "-q", "-n", "0", *sampled, "-o", "timeout=0"], environ)
    # One process, so that what it says while it works is seen.
    run([sys.executable, "-m", "pytest", "-q", "-s", "-n", "0", "tests/faults", "-o", "timeout=0"], environ)


def _end(signum: int, frame: object) -> NoReturn:
    """Servers outlive whoever started them: they are ended on the way out."""
    raise SystemExit(128 + signum)
