"""Flags for applications that speak OpenFeature (openfeature.dev): a provider that answers by the same buckets as a router.

Needs the extra `openfeature`; the SDK is imported when a provider is made.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from cutover.routing import telling
from cutover.routing.flag import BUCKETS, FlagWrong
from cutover.routing.flags import Flags, Standing
from cutover.routing.keys import OddKey, bucket
from cutover.routing.repeating import Repeating

if TYPE_CHECKING:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.event import ProviderEvent, ProviderEventDetails
    from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
    from openfeature.hook import Hook
    from openfeature.provider import FeatureProvider, Metadata
    from openfeature.track import TrackingEventDetails

    Emit = Callable[[FeatureProvider, ProviderEvent, ProviderEventDetails], None]

T = TypeVar("T")
VARIANTS = ("legacy", "candidate")
MOST_WATCHED = 1000
"""Flags whose changes are told; further ones are answered all the same."""


class _Refused(Exception):
    """No answer; `code` is the name of OpenFeature's error code."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class CutoverProvider:
    """Answers from `flags`; never raises: whatever is wrong, the caller's default comes back with an error code.

    A boolean is whether the candidate answers the targeting key, a string is `legacy` or `candidate`, a float is the share that
    holds, in percent, and an integer the same where it is one. Reasons, as OpenFeature's specification defines them: SPLIT by the
    targeting key; STATIC at 0 %, at 100 %, by an override of the environment, and for shares; DISABLED for a flag that is off,
    which is `legacy` whatever the caller's default is; STALE for what was last read, where the store has not answered for
    `stale_after` seconds or the flag can no longer be read. Without a targeting key (None) there is no split: the error is
    TARGETING_KEY_MISSING, where a router would have legacy answer.

    Once in `every` seconds it looks for changes of the flags that were asked for, and for a store that answers no more or again,
    and tells PROVIDER_CONFIGURATION_CHANGED, PROVIDER_STALE and PROVIDER_READY.
    """

    def __init__(self, flags: Flags, *, stale_after: float = 30.0, every: float = 1.0) -> None:
        from openfeature.provider import Metadata

        self._metadata = Metadata(name="cutover")
        self._flags, self._stale_after, self._every = flags, stale_after, every
        self._emit: Emit | None = None
        self._repeating: Repeating | None = None
        self._watched: dict[str, object] = {}
        self._stale = False

    def attach(self, on_emit: "Emit") -> None:
        self._emit = on_emit

    def detach(self) -> None:
        self._emit = None

    def initialize(self, evaluation_context: "EvaluationContext") -> None:
        """Begins to watch. A store that does not answer yet is no reason not to start: legacy answers meanwhile."""
        if self._repeating is None:
            self._stale = False
            self._repeating = Repeating("cutover-openfeature", self._watch, self._every)

    def shutdown(self) -> None:
        """Ends watching; the flags themselves are not closed."""
        if self._repeating is not None:
            self.detach()
            self._repeating.end()
            self._repeating = None

    def get_metadata(self) -> "Metadata":
        return self._metadata

    def get_provider_hooks(self) -> "list[Hook]":
        return []

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: "EvaluationContext | None" = None,
        tracking_event_details: "TrackingEventDetails | None" = None,
    ) -> None:
        """Nothing: what was counted is what routers count."""

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[bool]":
        return self._side(flag_key, default_value, evaluation_context, lambda chosen: chosen)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[str]":
        return self._side(flag_key, default_value, evaluation_context, lambda chosen: VARIANTS[chosen])

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[float]":
        return self._share(flag_key, default_value, float)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[int]":
        return self._share(flag_key, default_value, _whole)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: "Sequence[FlagValueType] | Mapping[str, FlagValueType]",
        evaluation_context: "EvaluationContext | None" = None,
    ) -> "FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]":
        return _error(default_value, "TYPE_MISMATCH", f"{flag_key} is a boolean, a string or a share, and no object")

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[bool]":
        return self.resolve_boolean_details(flag_key, default_value, evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[str]":
        return self.resolve_string_details(flag_key, default_value, evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[float]":
        return self.resolve_float_details(flag_key, default_value, evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: "EvaluationContext | None" = None
    ) -> "FlagResolutionDetails[int]":
        return self.resolve_integer_details(flag_key, default_value, evaluation_context)

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: "Sequence[FlagValueType] | Mapping[str, FlagValueType]",
        evaluation_context: "EvaluationContext | None" = None,
    ) -> "FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]":
        return self.resolve_object_details(flag_key, default_value, evaluation_context)

    def _side(
        self, name: str, default: T, context: "EvaluationContext | None", value: Callable[[bool], T]
    ) -> "FlagResolutionDetails[T]":
        def found(standing: Standing) -> "FlagResolutionDetails[T]":
            chosen, reason = self._chosen(standing, context.targeting_key if context is not None else None)
            return self._details(standing, value(chosen), reason, VARIANTS[chosen])

        return self._answer(name, default, found)

    def _share(self, name: str, default: T, value: Callable[[Decimal], T]) -> "FlagResolutionDetails[T]":
        def found(standing: Standing) -> "FlagResolutionDetails[T]":
            off = standing.override is None and standing.flag is not None and not standing.flag.enabled
            return self._details(standing, value(standing.share), "DISABLED" if off else "STATIC", None)

        return self._answer(name, default, found)

    def _answer(
        self, name: str, default: T, found: "Callable[[Standing], FlagResolutionDetails[T]]"
    ) -> "FlagResolutionDetails[T]":
        try:
            return found(self._standing(name))
        except _Refused as refused:
            return _error(default, refused.code, str(refused))
        except Exception as error:  # noqa: BLE001  an application goes on with its default, whatever broke here
            telling.warn(f"flag {name}", f"cannot be evaluated: {type(error).__name__}", error)
            return _error(default, "GENERAL", type(error).__name__)

    def _standing(self, name: str) -> Standing:
        try:
            standing = self._flags.standing(name)
        except FlagWrong as wrong:
            raise _Refused("FLAG_NOT_FOUND", str(wrong)) from wrong
        if standing.flag is None and standing.override is None:
            if standing.age is None:
                raise _Refused("PROVIDER_NOT_READY", f"the store of flags has not answered yet: {standing.trouble}")
            if trouble := self._flags.cell(name).trouble:
                raise _Refused("PARSE_ERROR", trouble)
            raise _Refused("FLAG_NOT_FOUND", f"the store has no flag {name}")
        if name not in self._watched and len(self._watched) < MOST_WATCHED:
            self._watched[name] = self._state(name)
        return standing

    def _chosen(self, standing: Standing, key: object) -> tuple[bool, str]:
        """Whether the candidate answers, and why."""
        buckets, salted = self._flags.cell(standing.name).now
        if standing.override is not None:
            return buckets > 0, "STATIC"
        if standing.flag is not None and not standing.flag.enabled:
            return buckets > 0, "DISABLED"
        if not 0 < buckets < BUCKETS:
            return buckets > 0, "STATIC"
        if key is None:
            raise _Refused("TARGETING_KEY_MISSING", f"{standing.name} is split by the targeting key, and there is none")
        try:
            return bucket(salted, key) < buckets, "SPLIT"
        except OddKey as odd:
            raise _Refused("INVALID_CONTEXT", str(odd)) from odd

    def _details(self, standing: Standing, value: T, reason: str, variant: str | None) -> "FlagResolutionDetails[T]":
        from openfeature.flag_evaluation import FlagResolutionDetails, Reason

        why = (
            Reason.STALE if self._is_stale(standing.age) or self._flags.cell(standing.name).trouble else Reason(reason)
        )
        about: dict[str, bool | int | float | str] = {"share": float(standing.share)}
        if standing.flag is not None:
            about["version"] = standing.flag.version
        return FlagResolutionDetails(value=value, reason=why, variant=variant, flag_metadata=about)

    def _is_stale(self, age: float | None) -> bool:
        return age is None or age > self._stale_after

    def _watch(self) -> None:
        from openfeature.event import ProviderEvent, ProviderEventDetails

        now = {name: self._state(name) for name in list(self._watched)}
        changed = sorted(name for name, state in now.items() if state != self._watched[name])
        self._watched.update(now)
        if changed:
            self._tell(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEventDetails(flags_changed=changed))
        age = self._flags.age()
        if self._is_stale(age) != self._stale:
            self._stale = not self._stale
            words = "has never answered" if age is None else f"last answered {age:.0f} s ago"
            if self._stale:
                self._tell(ProviderEvent.PROVIDER_STALE, ProviderEventDetails(message=f"the store of flags {words}"))
            else:
                self._tell(ProviderEvent.PROVIDER_READY, ProviderEventDetails(message="the store of flags answers"))

    def _state(self, name: str) -> object:
        """Another value when the flag has changed, or what overrides it."""
        standing = self._flags.standing(name)
        return standing.flag, standing.share

    def _tell(self, event: "ProviderEvent", details: "ProviderEventDetails") -> None:
        if (emit := self._emit) is not None:
            emit(self, event, details)


def _whole(share: Decimal) -> int:
    if share != int(share):
        raise _Refused("TYPE_MISMATCH", f"a share of {share.normalize():f} % is no integer")
    return int(share)


def _error(default: T, code: str, words: str) -> "FlagResolutionDetails[T]":
    from openfeature.exception import ErrorCode
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason

    return FlagResolutionDetails(value=default, error_code=ErrorCode(code), error_message=words, reason=Reason.ERROR)
