"""One way walked under faults: forward, resumed or back, and on by what it says until it is at its end."""

import re
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from cutover.bench.figures import BenchFailed
from cutover.bench.typed import Done, Running
from cutover.faults.fault import Fault, Scene
from cutover.faults.ground import Ground
from cutover.faults.places import BACK, RESUME
from cutover.faults.schedule import Strike

TRIES = 6  # commands that an operator may have to type
NEXT = re.compile(r"invoke ((?:cutover|resume|rollback|unlock)\b[^\n;,`)]*?)(?:\s+or\s.*)?$", re.MULTILINE)
OTHER = re.compile(r"\s+or\s+invoke (rollback\b[^\n;,`)]*)$", re.MULTILINE)
ENDS = {BACK: (("rolled-back",), ("open", "fenced"))}
STANDS = "until a person says to go on: well now"  # what a run that is held by a trigger shows
SILENT = (0, -9)  # exit codes after which there is nothing more to type, once a way is at its end
BACKWARDS = ["rollback", "--reason", "a fault"]
FORWARD_END = (("done", "until"), ("fenced", "open"))


@dataclass
class Walk:
    """`codes` of each command that was typed; `told` is what the first one said; `reached` the places at which faults came."""

    ground: Ground
    environment: str
    leg: str
    until: str = ""
    """The last phase of the way forward; empty means all of them."""
    codes: list[int] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    told: list[Done] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    said: int = 0
    """How often a run that stood still was told to go on."""
    _running: Running | None = None
    _lasting: list[tuple[float, Fault]] = field(default_factory=list)

    @property
    def first(self) -> list[str]:
        """What an operator types for this way."""
        return self._complete({BACK: BACKWARDS, RESUME: ["resume"]}.get(self.leg, self._forward()))

    def under(self, strikes: Sequence[Strike]) -> None:
        """Walks with the faults at their places; they are healed when their time or the program is over.

        Raises BenchFailed when it cannot be walked; the program has ended then, too.
        """
        if self.leg == RESUME:
            self._died_half_way()
        at_start = [strike for strike in strikes if not strike.place.at]
        self._strike(at_start, None)
        try:
            running = self.ground.started(self.first, [strike.place.at for strike in strikes if strike.place.at])
            try:
                self._accompany(running, strikes)
            except BaseException:
                running.kill()
                raise
            self._note(running.done(1), self.first)
        finally:
            self._heal_all()
            self.ground.let_go()

    def to_its_end(self) -> None:
        """Types what the program says, until this way is at its end; notes it as a problem where that does not lead there."""
        self._supervised()
        for _ in range(TRIES):
            there = self.at_its_end()
            if there and self.codes[-1] in SILENT:
                return
            command = self.next_command()
            self._note(self.ground.run(*command, within=self.ground.longest), command)
            self._supervised()
            if there and self.codes[-1]:
                self.problems.append(f"at the end, and what it said to type ended with {self.codes[-1]}: {self.path}")
                return
        if not self.at_its_end():
            self.problems.append(f"no end after {len(self.codes)} commands: {self.path}, sides {self.ground.sides()}")

    def at_its_end(self) -> bool:
        """Whether the right side serves and nothing is under way; a run that was interrupted after its last phase, or that had
        nothing left to do, says so by its exit code."""
        outcomes, sides = ENDS.get(self.leg, FORWARD_END)
        # What was told to whom may be written down after the end.
        entries = [entry for entry in self.ground.entries(self.environment) if entry.kind.startswith("leg-")]
        if not entries or entries[-1].kind != "leg-ended" or self._sides() != sides:
            return False
        return entries[-1].data["outcome"] in outcomes or (bool(self.codes) and self.codes[-1] == 0)

    @property
    def path(self) -> str:
        typed = [f"{words.split()[0]} {code}" for words, code in zip(self.typed, self.codes, strict=True)]
        return " → ".join(typed) + (f", told {self.said} × to go on" if self.said else "")

    def next_command(self) -> list[str]:
        """What the last command said to type; where it died without a word, `resume`, and else the same again."""
        done = self.told[-1]
        again = len(self.codes) > 1 and (self.typed[-1], self.codes[-1]) == (self.typed[-2], self.codes[-2])
        other = OTHER.findall(done.err) if again else []  # what did not help twice does not help
        if found := other or NEXT.findall(done.err):
            with suppress(ValueError):
                return self._complete(["a fault" if word == "…" else word for word in shlex.split(found[-1])])
        if done.code not in (0, 5, 6) and self.typed[-1].split()[0] != "resume":
            return self._complete(["resume"])
        return self._complete(BACKWARDS if self.leg == BACK else self._forward())

    def _forward(self) -> list[str]:
        return ["cutover", *(["--until", self.until] if self.until else [])]

    # --- parts -------------------------------------------------------------------------------------------------

    def _died_half_way(self) -> None:
        env = {"CUTOVER_KILL_AT": self.ground.killed_before_resume}
        done = self.ground.run(*self._complete(["cutover"]), env=env, within=self.ground.longest)
        if done.code != -9:
            raise BenchFailed(f"it did not die at {self.ground.killed_before_resume}\n{done}")
        self.ground.supervisors_gone()

    def _accompany(self, running: Running, strikes: Sequence[Strike]) -> None:
        end = time.monotonic() + self.ground.longest
        waiting = list(strikes)
        while not running.over:
            self._heal(time.monotonic())
            self.ground.meanwhile()
            if place := self._standing():
                here = [strike for strike in waiting if strike.place.at == place]
                waiting = [strike for strike in waiting if strike not in here]
                self._strike(here, running)
                self.ground.let_go()
            if not self._lasting and STANDS in running.err()[-400:]:
                # 4: it went on by itself in this moment, and holds the lease again.
                self.said += (
                    self.ground.run(*self._complete(["resume", "--reason", "well again"]), within=self.ground.longest)
                    .ended(0, 4)
                    .code
                    == 0
                )
            if time.monotonic() > end:
                self.problems.append(f"HUNG: {' '.join(running.args)} was not over after {self.ground.longest:g} s")
                running.kill()
                return
            time.sleep(0.02)

    def _standing(self) -> str:
        flag = self.ground.flag
        return flag.read_text(encoding="utf-8") if flag.exists() else ""

    def _strike(self, strikes: Sequence[Strike], running: Running | None) -> None:
        for strike in strikes:
            self.reached.append(str(strike))
            self._lasting.append((time.monotonic() + strike.fault.lasts, strike.fault))
            strike.fault.inject(Scene(self.ground, self.environment, running))
            self._running = running

    def _heal(self, now: float) -> None:
        for entry in [entry for entry in self._lasting if entry[0] <= now]:
            self._lasting.remove(entry)
            entry[1].heal(Scene(self.ground, self.environment, self._running))

    def _heal_all(self) -> None:
        self._heal(float("inf"))

    def _note(self, done: Done, command: Sequence[str]) -> None:
        self.told.append(done)
        self.codes.append(done.code)
        self.typed.append(" ".join(command))

    def _complete(self, words: Sequence[str]) -> list[str]:
        more = [] if "--env" in words else ["--env", self.environment]
        if words[0] in ("cutover", "rollback", "resume") and "--json" not in words:
            more.append("--json")
        if words[0] in ("cutover", "rollback") and "--yes" not in words:
            more.append("--yes")
        if (added := self.ground.added.get(words[0], ())) and added[0] not in words:
            more += added
        return [*words, *more]

    def _supervised(self) -> None:
        try:
            self.ground.supervisors_gone()
        except BenchFailed:
            self.problems.append("HUNG: the supervisor was not over after 90 s")

    def _sides(self) -> tuple[str, str]:
        """Both sides, from servers that may just be starting again."""
        end = time.monotonic() + 30
        while True:
            try:
                return self.ground.sides()
            except psycopg.Error:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
