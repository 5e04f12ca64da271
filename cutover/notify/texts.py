"""The words of every message: defaults, which an environment may replace, with names in braces that are filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cutover.core.plain import text as plainly

EVENTS: Mapping[str, str] = {
    "announced": "{environment}: maintenance is planned for {when}",
    "started": "{environment}: the cutover has begun ({run}, by {who})",
    "finish-started": "{environment}: {plan} has begun ({run}, by {who})",
    "resumed": "{environment}: run {run} goes on (by {who})",
    "phase": "{environment}: phase {phase} has begun",
    "phase-over": "{environment}: phase {phase} is over after {seconds} s",
    "soak-begun": "{environment}: {gate} must stay well for {seconds} s",
    "gate-waiting": "{environment}: {gate} waits: {seen}",
    "gate-failed": "{environment}: {gate} failed: {seen}",
    "approval-wanted": "{environment}: {gate} {seen}",
    "standing": "{environment}: stands still, {guard}: {seen}",
    "standing-ended": "{environment}: goes on after {guard}: {outcome}",
    "guard-cleared": "{environment}: {guard} is well again: {seen}",
    "rollback-too-dear": "{environment}: FROZEN, going back would cost too much: {seen}",
    "override": "{environment}: overridden: {what}",
    "guard-failed": "{environment}: guard {guard} failed: {seen}",
    "unexpected": "{environment}: somebody else changed something: {step} shows {seen}",
    "overrun": "{environment}: phase {phase} took longer than its time",
    "recovering": "{environment}: the program died inside {phase}; the supervisor ends that phase",
    "plan-changed": "{environment}: run {run} goes on by another plan (by {who})",
    "undo": "{environment}: the window is taken back, nothing was switched: {reason}",
    "undone": "{environment}: taken back to the end of {to}",
    "reopening": "{environment}: the way back failed, the side that serves gets its writes back",
    "reopened": "{environment}: THE WAY BACK FAILED and the side that served serves again; a person is needed",
    "rollback": "{environment}: ROLLBACK has begun: {reason}",
    "rolled-back": "{environment}: rolled back, blue serves",
    "rollback-incomplete": "{environment}: ROLLBACK INCOMPLETE, a person is needed: {error}",
    "stopped": "{environment}: stopped: {error}",
    "waiting": "{environment}: waits for a person or for time: {error}",
    "interrupted": "{environment}: run {run} was interrupted at a safe boundary",
    "until": "{environment}: stopped after {until}, as asked",
    "done": "{environment}: green serves, the cutover is done",
    "finished": "{environment}: the way back is gone, the cutover is finished",
    "decommissioned": "{environment}: blue has ended",
    "update": "{environment}: {hours} h after the switch: {standing}",
    "escalation": "{environment}: nobody has taken this on for {minutes} min (level {level}): {title}",
    "acknowledged": "{environment}: {who} has taken it on",
    "test": "{environment}: a test message of cutover; nothing has happened (by {who})",
}
USERS: Mapping[str, str] = {
    "users-announced": "We plan a short maintenance for {when}. For about a minute you can read, but not change anything.",
    "users-window": "A short maintenance is under way. Please try again in a minute.",
    "users-done": "The maintenance is over. Everything works as usual.",
    "users-undone": "The maintenance was postponed. Everything works as usual.",
    "users-rollback": "We have seen a problem and go back to the system of before. Short interruptions are possible.",
    "users-rolled-back": "We are back on the system of before. Nothing that you entered is lost.",
}
DEFAULTS: Mapping[str, str] = {**EVENTS, **USERS}
ALWAYS = ("environment", "run", "who", "when")
_WORD = re.compile(r"\{([a-z_-]*)\}")
LONGEST = 400  # characters of one value that was seen or said by somebody else


def words_of(name: str) -> frozenset[str]:
    """The names in braces that the text `name` may use."""
    return frozenset((*ALWAYS, *_WORD.findall(DEFAULTS[name])))


def unknown_words(name: str, written: str) -> list[str]:
    """The names in braces that the text `name` has no value for."""
    return sorted(set(_WORD.findall(written)) - words_of(name))


def clean(value: object) -> str:
    """What somebody else said, on one line, without control characters, and not endless."""
    told = value if isinstance(value, str) else plainly(value)
    told = " ".join("".join(c if c.isprintable() else " " for c in told).split())
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"


@dataclass(frozen=True)
class Texts:
    """The texts of one environment: `own` ones by name, the defaults for the rest."""

    own: Mapping[str, str] = field(default_factory=dict)

    def fill(self, name: str, values: Mapping[str, object]) -> str:
        """The text, with each name in braces replaced by its value; nothing in a value is looked at again."""
        shape = self.own.get(name, DEFAULTS[name])
        return _WORD.sub(lambda found: _told(values.get(found[1])), shape)


def _told(value: object) -> str:
    return (clean(value) if value is not None else "") or "–"
