"""A hostname whose share is a percentage that the application reads: in an SSM parameter, a file, or a flag of its router."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from cutover.aws.parameter_flag import ParameterShare
from cutover.core.flag import Flag
from cutover.core.gate import Check, Finding
from cutover.core.plain import text
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.environment import FileCarrier, FlagCarrier, SsmCarrier
from cutover.flags.criteria import Limits
from cutover.flags.share import StoreShare
from cutover.machine.flag_file import FileShare
from cutover.net.flag_report import ShareReported
from cutover.plans.carried import Carried, Named
from cutover.plans.flag_stores import store_share
from cutover.plans.flag_well import CandidateWell


@dataclass(frozen=True, kw_only=True)
class FlagReads(Check):
    """A flag that cannot be read, or holds no percentage, would stop the shift half-way."""

    step: ParameterShare | FileShare | StoreShare

    def look(self) -> Finding:
        seen = self.step.observe()
        if isinstance(seen, Share):
            return Finding.passed(f"{self.step.resource} is {seen}")
        write = "write a number from 0 to 100 there"
        if isinstance(self.step, StoreShare):
            write = (
                f"name it under `flags`, make it (invoke flag.enable 0 --env E --flag {self.step.flag} --reason new)"
            )
        return Finding.failed(text(seen), f"{write}, and check the name in the environment file")

    def shell(self) -> str:
        return self.step.check_shell()


@dataclass(frozen=True)
class CarriedByFlag(Carried):
    words: SsmCarrier | FileCarrier | FlagCarrier

    def share(self, before: Share, after: Share) -> Step[Any]:
        return self._step(self.step_name(after), before, after)

    def preflight(self) -> Named:
        return [(f"flag-reads-{self.name}", FlagReads(step=self._step("flag", Share.of(0), Share.of(100))))]

    def arrived(self, after: Share) -> Named:
        if not self.words.reported:
            return []
        check = ShareReported(
            wanted=after,
            flag=self._flag,
            urls=self._reporters,
            shown=[f'"${ref.name}"' if ref.kind == "env" else quote(str(ref)) for ref in self.words.reported],
        )
        return [(f"share-reported-{self.name}-{after.percent.normalize():f}", check)]

    def left(self) -> Named:
        """Where the flag is gone, or cannot be read, blue answers everybody."""
        return [(f"{self.name} flag", FlagReads(step=self._step("flag", Share.of(0), Share.of(100))))]

    def serving(self) -> Named:
        """Green's implementation by its routers' counts, where the environment says where they are shown."""
        known = self.means.environment.flags.get(self.words.flag) if isinstance(self.words, FlagCarrier) else None
        if known is None or not known.snapshots or not isinstance(self.words, FlagCarrier):
            return []
        words, places = known.criteria, [self.means.value_of(ref) for ref in known.snapshots]
        check = CandidateWell(
            flag=self.words.flag,
            environment=self.means.environment.name,
            limits=Limits(words.error_rate, words.fallback_rate, words.slower_ms, words.at_least, words.fresh),
            places=lambda: [value() for value in places],
            step=self._step("flag", Share.of(0), Share.of(100)),
        )
        return [(f"{self.name} {self.words.flag}", check)]

    def documents(self) -> list[tuple[str, Callable[[], Any]]]:
        step = self._step("flag", Share.of(0), Share.of(100))
        return [(step.resource, lambda: text(step.observe()))]

    @property
    def _flag(self) -> Flag:
        # What a router's counts are exported as says the share that holds under this key.
        return Flag("share" if isinstance(self.words, FlagCarrier) else self.words.key)

    def _step(self, name: str, before: Share, after: Share) -> ParameterShare | FileShare | StoreShare:
        if isinstance(self.words, FlagCarrier):
            return store_share(self.means, self.words, name, before, after)
        if isinstance(self.words, FileCarrier):
            return FileShare(name=name, before=before, after=after, file=Path(self.words.file), flag=self._flag)
        aws, parameter = self.means.aws, self.words.parameter
        return ParameterShare(name=name, before=before, after=after, aws=aws, parameter=parameter, flag=self._flag)

    def _reporters(self) -> Sequence[str]:
        return [ref.resolve(self.means.values()) for ref in self.words.reported]
