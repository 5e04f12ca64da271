"""What a button starts: checked, done once however often it is asked for, one at a time of each kind."""

import asyncio
import json
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cutover.console.gatehouse import described
from cutover.console.sessions import Person
from cutover.console.shown import Acts
from cutover.core.errors import CutoverError

LONGEST = 2000  # characters of one field


@dataclass(frozen=True)
class Outcome:
    """What is answered: an HTTP status, and `said`, or `error` with what to type next."""

    status: int
    words: Mapping[str, str]

    @classmethod
    def refused(cls, status: int, error: str, following: str = "") -> "Outcome":
        return cls(status, {"error": error, "next": following})


@dataclass
class Deeds:
    """Carries out what pages ask for. Used from the server's loop; what `acts` does runs in threads."""

    acts: Acts
    environment: str
    heard: Callable[[str], None]
    """Told what nobody foresaw, in one line."""
    remembered: int = 1000
    """Outcomes; who asks again after that many others gets no old one."""
    _ending: bool = field(default=False, init=False)
    _begun: dict[str, tuple[tuple[Any, ...], asyncio.Task[Outcome]]] = field(default_factory=dict, init=False)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)
    _threads: Executor = field(default_factory=lambda: ThreadPoolExecutor(8, thread_name_prefix="act"), init=False)

    async def do(self, verb: str, person: Person, body: bytes) -> Outcome:
        """Does it, or answers what came of it when the same page asked for the same before (a double click, a retry)."""
        needed = self.acts.needs.get(verb)
        if needed is None:
            return Outcome.refused(404, "there is no such button")
        if not person.may(needed):
            return Outcome.refused(
                403, f"{person.name} is no {needed.value}; console.people in the environment says who is"
            )
        if self._ending:
            return Outcome.refused(503, "the console is ending; nothing was done")
        words = _words(body)
        if words is None:
            return Outcome.refused(
                400, f"wants one JSON object of words, each one line of at most {LONGEST} characters"
            )
        once = _uuid(words.get("once", ""))
        if once is None:
            return Outcome.refused(400, "`once` wants a UUID")
        if words.get("environment", "").strip() != self.environment:
            return Outcome.refused(409, "the name that was typed is not this environment's; nothing was done")
        if not words.get("reason", "").strip():
            return Outcome.refused(409, "a reason is needed; it goes into the record")
        given = {key: value.strip() for key, value in words.items() if key not in ("once", "environment")}
        return await self._once(once, verb, person, given)

    async def _once(self, once: str, verb: str, person: Person, words: Mapping[str, str]) -> Outcome:
        asked = (verb, person.name, sorted(words.items()))
        before = self._begun.get(once)
        if before is not None and before[0] != asked:
            return Outcome.refused(409, "this was asked for before, in other words; load the page again")
        if before is None:
            before = asked, asyncio.ensure_future(self._done(verb, person, words))
            self._begun[once] = before
            self._forget()
        # A page that is closed meanwhile takes nothing back.
        return await asyncio.shield(before[1])

    def _forget(self) -> None:
        """The oldest outcomes; never what is still going on."""
        over = len(self._begun) - self.remembered
        ended = [once for once, (_, task) in self._begun.items() if task.done()]
        for once in ended[: max(0, over)]:
            del self._begun[once]

    async def _done(self, verb: str, person: Person, words: Mapping[str, str]) -> Outcome:
        async with self._turns.setdefault(verb, asyncio.Lock()):
            try:
                loop = asyncio.get_running_loop()
                said = await loop.run_in_executor(self._threads, self.acts.do, verb, person.name, words)
            except CutoverError as error:
                # What may have been done in part is not tried again by another press of the same button.
                status = 409 if getattr(error, "refused", True) else 500
                return Outcome.refused(status, error.message, error.next_command)
            except Exception as error:  # noqa: BLE001  the page is to hear of it, whatever it was
                self.heard(f"{verb} failed: {described(error)}")
                reason = "it failed, and how far it came is not known; the console's terminal says with what"
                return Outcome.refused(500, reason, f"invoke status --env {self.environment}")
        return Outcome(200, {"said": said})

    def under_way(self) -> list[str]:
        """The verbs that something is being done for."""
        return [asked[0] for asked, task in self._begun.values() if not task.done()]

    async def ended(self) -> None:
        """Waits for what is under way: a process that ends in the middle of it would leave it half done."""
        self._ending = True
        await asyncio.gather(*(task for _, task in self._begun.values()), return_exceptions=True)
        self._threads.shutdown()


def _words(body: bytes) -> dict[str, str] | None:
    """The fields of the request; None where they are no words in one line."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        return None
    return read if all(_one_line(word) for pair in read.items() for word in pair) else None


def _one_line(word: str) -> bool:
    """Without what could forge a line of a record that is read at a terminal."""
    return len(word) <= LONGEST and not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in word)


def _uuid(word: str) -> str | None:
    try:
        return str(UUID(word)) if len(word) == 36 else None
    except ValueError:
        return None
