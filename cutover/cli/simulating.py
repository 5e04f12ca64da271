"""The commands that simulate: simulate (the engine), simulate-verdicts (what it is told of traffic)."""

from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say

PLOT = "verdicts.svg"


@task(
    help={
        "seeds": "schedules to simulate (2000)",
        "from": "the first seed (0)",
        "seed": "only this one, with all that happened",
        "without": "parts of that schedule to leave out, separated by commas",
    }
)
@ended
def simulate(c: Context, seeds: int = 2000, from_: int = 0, seed: int = -1, without: str = "") -> None:
    """Cutovers of generated plans with faults from a seed, against a model. Example: invoke simulate --seeds 100000"""
    from cutover.core.errors import ConfigurationRefused
    from cutover.simulation.counting import counted, told
    from cutover.simulation.shape import schedule_of
    from cutover.simulation.simulator import simulate as simulated

    if seed < 0 and (seeds < 1 or from_ < 0 or without):
        raise ConfigurationRefused(["--seeds is at least 1, --from at least 0, and --without goes with --seed"])
    if seed < 0:
        count = counted(range(from_, from_ + seeds), say)
        put("\n".join(count.lines()))
        if count.failing:
            raise Exit(code=1)
        return
    left_out = frozenset(part for part in without.split(",") if part)
    unknown = left_out - set(schedule_of(seed).parts())
    if unknown:
        raise ConfigurationRefused([f"--without {', '.join(sorted(unknown))}: a schedule has no such part"])
    result = simulated(seed, without=left_out)
    put("\n".join((*told(result), *result.story)))
    if result.violation:
        raise Exit(code=1)


@task(
    help={
        "runs": "healthy cutovers (2000); each fault is simulated a tenth as often, at least ten times",
        "seed": "of all random numbers (1)",
        "out": "a folder for verdicts.svg",
        "json": "one document on standard output, with every delay",
        "markdown": "the tables as BENCH.md has them",
    }
)
@ended
def simulate_verdicts(
    c: Context, runs: int = 2000, seed: int = 1, out: str = "", json: bool = False, markdown: bool = False
) -> None:
    """False rollbacks and detection delays on simulated traffic. Example: invoke simulate-verdicts --runs 200"""
    from cutover.bench.verdict_table import again_rows, aligned, alone_rows, delay_rows, healthy_rows, plot
    from cutover.bench.verdict_table import markdown as as_markdown
    from cutover.bench.verdicts import BY_TRAFFIC, FAULTS, NAMES, alone, found, healthy, machine, taken_again
    from cutover.cli.opening import print_json
    from cutover.core.errors import ConfigurationRefused

    if runs < 1:
        raise ConfigurationRefused([f"--runs is at least 1, not {runs}"])
    if out and Path(out).exists() and not Path(out).is_dir():
        raise ConfigurationRefused([f"--out {out} is no folder"])
    often = max(10, runs // 10)
    counted = healthy(runs, seed, say)
    faulty = [one for scenario in FAULTS for one in found(scenario, often, seed)]
    traffic = [one for scenario in BY_TRAFFIC for one in found(scenario, often, seed, NAMES[:1], slow=False)]
    phases = list(alone(often, seed))
    again = taken_again(often, seed)
    note = f"{runs} healthy cutovers, {often} runs of each fault, seed {seed}; {machine()}"
    if out:
        Path(out).mkdir(parents=True, exist_ok=True)
        (Path(out) / PLOT).write_text(plot(counted, faulty[: len(NAMES)], note), encoding="utf-8")
        say(f"{Path(out) / PLOT} written")
    if json:
        document = {"schema": "cutover.simulated-verdicts/1", "runs": runs, "seed": seed, "machine": machine()}
        document["healthy"] = [one.document() for one in counted]
        document["faults"] = [one.document() for one in (*faulty, *traffic)]
        document["taken_again"] = [one.document() for one in again]
        document["without_blue"] = [one.document() for one in phases]
        print_json(document)
        return
    show = as_markdown if markdown else aligned
    tables = (healthy_rows(counted), delay_rows(faulty), delay_rows(traffic), alone_rows(phases), again_rows(again))
    print(f"{note}.\n\n" + "\n\n".join(map(show, tables)))
