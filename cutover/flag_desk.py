"""Flags as an operator changes them: who, why, and what stood before and after is recorded; going back waits for no record.

The record is kept beside the journal, as words that need no lease: nobody who works on the environment is disturbed.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cutover.app import App
from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused, CutoverError, Refused, RollbackIncomplete
from cutover.core.share import Share
from cutover.core.who import who
from cutover.environment import FlagCarrier, RoutedFlag
from cutover.environment.problem import did_you_mean
from cutover.flags.by_hand import look_by_hand, set_by_hand
from cutover.flags.changing import Changed, as_data, change, now, read, told
from cutover.flags.counts import Counted, counted
from cutover.flags.criteria import Limits, Row, judged, verdict
from cutover.flags.share import shown
from cutover.flags.stores import Store, prepare
from cutover.plans.flag_stores import opening, store_of
from cutover.run_views import active

RECORD = "flags"
"""The words under this name are the record of changes of flags: they belong to no run, and need no lease."""
PATIENCE = 20.0  # seconds in which a change is tried, and read back


@dataclass(frozen=True)
class Done:
    """A change that stands; `unrecorded` is why it is not in the record, `carried_by` the run that moves this flag's share."""

    changed: Changed
    unrecorded: str = ""
    carried_by: str = ""


@dataclass(frozen=True)
class FlagDesk:
    """One flag of one environment."""

    app: App
    name: str

    @property
    def words(self) -> RoutedFlag:
        return self.app.environment.flags[self.name]

    def look(self) -> Any:
        """The flag as it stands, what is wrong with it, or None; raises Unreachable."""
        with self._store() as store:
            return read(store, self.name)

    def enable(self, percent: str, reason: str, *, version: int | None = None) -> Done:
        """Switches the flag on at a share, and makes it where there is none."""
        share, reason = _percent(percent), sayable(reason)

        def make(flag: Any) -> Any:
            described = flag if flag.version else replace(flag, description=self.words.description)
            return described.at(share, reason=reason, author=who(), now=now())

        return self._changed("enable", reason, make, version, makes=True)

    def set(self, percent: str, reason: str, *, version: int | None = None) -> Done:
        """Changes the share; a flag that is off stays off."""
        share, reason = _percent(percent), sayable(reason)

        def make(flag: Any) -> Any:
            moved = flag.at(share, reason=reason, author=who(), now=now())
            return replace(moved, enabled=flag.enabled)

        return self._changed("set", reason, make, version)

    def disable(self, reason: str) -> Done:
        """Switches the flag off and keeps its share."""
        reason = sayable(reason)
        return self._back("disable", reason, lambda flag: flag.disabled(reason=reason, author=who(), now=now()))

    def rollback(self, reason: str) -> Done:
        """Sets the share to 0 and switches the flag off, whatever else is the matter, and reads back that it is so."""
        reason = sayable(reason)
        return self._back("rollback", reason, lambda flag: flag.rolled_back(reason=reason, author=who(), now=now()))

    def counted(self) -> Counted:
        """What the processes' routers counted."""
        means = self.app.means
        return counted(self.name, [means.value_of(ref)() for ref in self.words.snapshots])

    def check(self, complaints: str | None) -> tuple[str, list[Row], Counted]:
        """READY, HOLD or ROLL BACK, with every criterion; what was said of complaints is recorded."""
        words = self.words.criteria
        limits = Limits(words.error_rate, words.fallback_rate, words.slower_ms, words.at_least, words.fresh)
        try:
            seen = shown(self.look(), self.name)
        except CutoverError:
            seen = "not known"
        share = float(seen.percent) if isinstance(seen, Share) else None
        found = self.counted()
        rows = judged(found, share, limits, complaints, words.complaints, time.time())
        if complaints is not None and not self.app.means.read_only:
            self._record("attested", complaints=complaints, role=words.complaints, verdict=verdict(rows))
        return verdict(rows), rows, found

    def recorded(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """What was recorded of this flag, oldest first."""
        state = self.app.recorded()
        if state is None:
            return ()
        try:
            return [(kind, data) for kind, data in state.wishes(RECORD) if data.get("flag") == self.name]
        finally:
            state.close()

    def carried_by(self) -> str:
        """The run whose plan moves this flag's share and can still be taken back; empty when there is none."""
        carriers = [one.carrier for one in self.app.environment.hostnames.values()]
        mine = [one for one in carriers if isinstance(one, FlagCarrier) and one.flag == self.name]
        if not any(store_of(self.app.means, one) == self.words.store for one in mine):
            return ""
        state = self.app.recorded()
        if state is None:
            return ""
        try:
            view = active(state)
        finally:
            state.close()
        return view.run if view is not None else ""

    def by_hand(self) -> str:
        """What a person types to set the flag to 0, and to look."""
        place, aws = self.app.means.shell_of(self.words.store), self.app.means.aws.shell()
        back = set_by_hand(place, self.name, Share.of(0), "rollback by hand", aws)
        return f"{back}\n{look_by_hand(place, self.name, aws)}"

    def _changed(
        self, command: str, reason: str, make: Callable[[Any], Any], version: int | None, *, makes: bool = False
    ) -> Done:
        """A change that is recorded before it is made, and refused where a run moves the share."""
        env = self.app.environment.name
        if not reason.strip():
            raise Refused("a change wants its reason for the record: give --reason 'why'")
        if run := self.carried_by():
            raise Refused(
                f"run {run} carries its share by {self.name}: it would find it changed under its hands, and stop",
                next_command=f"invoke hold --env {env}   or   invoke rollback --env {env} --reason '…'",
            )
        with self._store() as store:
            seen = read(store, self.name) if not makes else self._made(store)
            if isinstance(seen, Exception):
                raise Refused(
                    f"the flag cannot be read, and is not written over: {seen}",
                    next_command=f"invoke flag.rollback 'cannot be read' --env {env} --flag {self.name}",
                )
            if seen is None and not makes:
                enable = f"invoke flag.enable 0 --env {env} --flag {self.name} --reason '…'"
                raise Refused(f"there is no flag {self.name} in {store.where}", next_command=enable)
            if version is not None and version != (seen.version if seen else 0):
                raise Refused(f"what was reviewed was version {version}; now it is: {told(seen)}; nothing was written")
            self._record("asked", command=command, reason=reason, before=as_data(seen))
            try:
                over = seen.version if seen is not None else 0
                changed = change(store, self.name, make, Deadline.after(PATIENCE), over=over)
            except CutoverError as error:
                self._recorded_if_possible("failed", command=command, reason=reason, error=error.message)
                raise
        return Done(changed, self._recorded_if_possible("changed", **_told(command, reason, changed)))

    def _made(self, store: Store) -> Any:
        try:
            return read(store, self.name)
        except CutoverError:
            prepare(store)
            return read(store, self.name)

    def _back(self, command: str, reason: str, make: Callable[[Any], Any]) -> Done:
        """A change towards legacy: nothing is asked before it, and the record comes after it."""
        reason = reason.strip() or "no reason was given"
        try:
            with self._store() as store:
                changed = change(store, self.name, make, Deadline.after(PATIENCE), insist=True, makes=False)
                stands = read(store, self.name)
        except CutoverError as error:
            self._recorded_if_possible("failed", command=command, reason=reason, error=error.message)
            raise self._incomplete(error.message) from error
        seen = shown(stands, self.name)
        if stands is not None and seen != Share.of(0):  # without a flag legacy answers, too
            self._recorded_if_possible("failed", command=command, reason=reason, error=f"read back: {seen}")
            raise self._incomplete(f"read back, the flag is {seen}: somebody else has changed it since")
        unrecorded = self._recorded_if_possible("changed", **_told(command, reason, changed))
        try:
            run = self.carried_by()
        except CutoverError:
            run = ""
        return Done(changed, unrecorded, run)

    def _incomplete(self, why: str) -> RollbackIncomplete:
        return RollbackIncomplete(f"whether {self.name} is off is not known: {why}", next_command=self.by_hand())

    def _recorded_if_possible(self, kind: str, **data: Any) -> str:
        """Why a word could not be recorded; empty when it was."""
        try:
            self._record(kind, **data)
        except CutoverError as error:
            return error.message
        except OSError as error:
            return str(error)
        return ""

    def _record(self, kind: str, **data: Any) -> None:
        word = {"flag": self.name, "store": str(self.words.store), "who": who(), "at": time.time(), **data}
        state = self.app.state()
        try:
            state.wish(RECORD, kind, word)
        finally:
            state.close()

    @contextmanager
    def _store(self) -> Iterator[Store]:
        with opening(self.app.means, self.words.store)() as store:
            yield store


def desks(app: App, name: str = "") -> list[FlagDesk]:
    """The flag that was named, or all; raises ConfigurationRefused with the known ones."""
    known = app.environment.flags
    if name and name not in known:
        meant = did_you_mean(name, known) or f": {', '.join(known) or 'none yet'}"
        raise ConfigurationRefused([f"{app.environment.name} has no flag {name} under `flags`{meant}"])
    return [FlagDesk(app, one) for one in known if name in ("", one)]


def desk(app: App, name: str) -> FlagDesk:
    """The flag that was named, or the only one."""
    found = desks(app, name)
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.name for one in found)
    raise ConfigurationRefused(
        [f"--flag is needed; the flags are {known}" if found else "no flag stands under `flags`"]
    )


def sayable(words: str) -> str:
    """Words from a command line, where a byte that is no UTF-8 must not keep anybody from going back."""
    return words.encode("utf-8", "replace").decode()


def _told(command: str, reason: str, changed: Changed) -> dict[str, Any]:
    before, after = as_data(changed.before), as_data(changed.after)
    return {"command": command, "reason": reason, "before": before, "after": after, "wrote": changed.wrote}


def _percent(written: str) -> Decimal:
    try:
        return Share.of(written.removesuffix("%")).percent
    except (ValueError, ArithmeticError):
        raise Refused(f"{written[:40]} is not a share: 0 to 100 in steps of 0.01") from None
