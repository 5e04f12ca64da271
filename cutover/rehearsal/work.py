"""The twin of what works beside the application: workers, their configuration, and the user's own steps."""

import re
from shlex import quote

from cutover.environment.reference import PATTERN
from cutover.rehearsal.steered import Steered
from cutover.rehearsal.words import ADDRESS, OUTSIDE, Words
from cutover.world.background import Background, Work

STATES = "own-steps"
"""In the twin's repository: the folder with the states of own steps."""


def work(words: Words, steered: Steered) -> Background:
    """Workers under their own names, parameters with values that are no secrets, and own steps that only note their state."""
    running = []
    for name, worker in (words.at("workers") or {}).items():
        if "/" in worker["runs_on"].get("bus", ""):
            words.no_twin.append(f"workers.{name}: a rule on a partner's event bus")
        running.append(Work(worker["runs_on"], worker["side"] == "blue"))
        what = "the twin has it by its name, with as many as the environment says, and no work is done"
        words.leave_out(f"workers.{name}", what)
    groups = {one["log_group"] for one in (words.at("workers") or {}).values() if one.get("log_group")}
    parameters = {one["parameter"]: _values(words, name) for name, one in (words.at("configuration") or {}).items()}
    for name in words.at("steps") or {}:
        _own_step(words, name)
    return Background(tuple(running), tuple(steered.functions), tuple(sorted(groups)), parameters | steered.parameters)


def _values(words: Words, name: str) -> str:
    """Writes values in place of references, which are not resolved here; answers blue's."""
    for side in ("blue", "green"):
        if re.fullmatch(PATTERN, str(words.at("configuration", name, side))):
            words.put(("configuration", name, side), f"{side}'s value", OUTSIDE)
            words.leave_out(f"configuration.{name}.{side}", "no secret is resolved; another value stands for it")
    return str(words.at("configuration", name, "blue"))


def _own_step(words: Words, name: str) -> None:
    step, file = words.at("steps", name), f"{STATES}/{name}"
    told = {
        "observe": f"cat {quote(file)} 2>/dev/null || echo {quote(step['before'])}",
        "to": f"mkdir -p {STATES}; echo {quote(step['after'])} > {quote(file)}",
        "back": f"echo {quote(step['before'])} > {quote(file)}",
    }
    for word, command in told.items():
        words.put(("steps", name, word), command, OUTSIDE)
    words.put(("steps", name, "variables"), {}, ADDRESS)
    words.put(("steps", name, "observe_is_safe"), True, ADDRESS)
    words.leave_out(f"steps.{name}", "its commands change the outside; others, which note its state, stand for them")
