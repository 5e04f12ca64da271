"""The OpenFeature provider, asked through OpenFeature's own client."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus
from stores_in_trouble import GONE, Fickle

from cutover.routing import Flag, Flags, FlagWrong, bucket_of
from cutover.routing.flag import BUCKETS
from cutover.routing.openfeature_provider import CutoverProvider

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def flag(name: str, share: str, **more: Any) -> Flag:
    return Flag.of({"name": name, "enabled": True, "share": float(share), **more})


class Asked:
    def __init__(self, store: Fickle, environ: dict[str, str], **options: Any) -> None:
        self.store, self.environ = store, environ
        self.flags = Flags(store, every=0.001, environ=environ)
        self.provider = CutoverProvider(self.flags, every=0.02, **options)
        self.told: list[tuple[ProviderEvent, EventDetails]] = []
        self.heard = threading.Condition()
        self.client: OpenFeatureClient = api.get_client("test")
        for event in ProviderEvent:
            self.client.add_handler(event, self._handler(event))
        api.set_provider_and_wait(self.provider, "test")

    def _handler(self, event: ProviderEvent) -> Callable[[EventDetails], None]:
        def handle(details: EventDetails) -> None:
            with self.heard:
                self.told.append((event, details))
                self.heard.notify_all()

        return handle

    def hears(self, event: ProviderEvent, words: str = "", count: int = 1) -> EventDetails:
        """Waits until it was told so often, with these words in its message."""
        with self.heard:
            found: list[EventDetails] = []

            def there() -> bool:
                found[:] = [told for one, told in self.told if one is event and words in (told.message or "")]
                return len(found) >= count

            assert self.heard.wait_for(there, 30), self.told
            return found[count - 1]


@pytest.fixture
def opened() -> Iterator[Callable[..., Asked]]:
    def begin(
        *flags: Flag, environ: dict[str, str] | None = None, store: Fickle | None = None, **options: Any
    ) -> Asked:
        return Asked(store or Fickle(*flags), environ if environ is not None else {}, **options)

    yield begin
    api.clear_providers()


def context(key: Any) -> EvaluationContext:
    return EvaluationContext(targeting_key=key)


def test_a_key_falls_into_the_same_bucket_as_with_a_router(opened: Callable[..., Asked]) -> None:
    client = opened(flag("search", "25")).client
    for number in range(300):
        key = f"user-{number}"
        seen = client.get_boolean_details("search", False, context(key))
        chosen = bucket_of("search", key) < 2500
        assert (seen.value, seen.variant) == (chosen, "candidate" if chosen else "legacy")
        assert (seen.reason, seen.error_code, dict(seen.flag_metadata)) == (
            Reason.SPLIT,
            None,
            {"share": 25.0, "version": 1},
        )
        assert client.get_string_value("search", "?", context(key)) == seen.variant


@pytest.mark.parametrize(("share", "value"), [("0", False), ("100", True)])
def test_at_the_ends_no_key_is_needed(opened: Callable[..., Asked], share: str, value: bool) -> None:
    seen = opened(flag("search", share)).client.get_boolean_details("search", not value)
    assert (seen.value, seen.reason, seen.error_code) == (value, Reason.STATIC, None)


def test_a_flag_that_is_off_is_legacy_whatever_the_default_is(opened: Callable[..., Asked]) -> None:
    client = opened(flag("search", "100", enabled=False)).client
    seen = client.get_boolean_details("search", True, context("x"))
    assert (seen.value, seen.variant, seen.reason, seen.error_code) == (False, "legacy", Reason.DISABLED, None)
    assert client.get_float_details("search", 50.0).reason is Reason.DISABLED
    assert client.get_float_value("search", 50.0) == 0.0


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False)])
def test_an_override_of_the_environment_holds_also_without_a_flag(
    opened: Callable[..., Asked], word: str, value: bool
) -> None:
    client = opened(flag("search", "50"), environ={"CUTOVER_FLAG_SEARCH": word, "CUTOVER_FLAG_NONE": word}).client
    for name in ("search", "none"):
        seen = client.get_boolean_details(name, not value)
        assert (seen.value, seen.reason, seen.error_code) == (value, Reason.STATIC, None)


def test_shares_are_numbers(opened: Callable[..., Asked]) -> None:
    client = opened(flag("search", "33.33"), flag("whole", "40")).client
    assert client.get_float_value("search", 0.0) == 33.33
    assert client.get_integer_value("whole", 0) == 40
    seen = client.get_integer_details("search", 7)
    assert (seen.value, seen.error_code) == (7, ErrorCode.TYPE_MISMATCH)


@pytest.mark.parametrize(
    ("name", "key", "code"),
    [
        ("search", None, ErrorCode.TARGETING_KEY_MISSING),
        ("search", 1.5, ErrorCode.INVALID_CONTEXT),
        ("nobody", "x", ErrorCode.FLAG_NOT_FOUND),
        ("no name!", "x", ErrorCode.FLAG_NOT_FOUND),
    ],
)
def test_errors_have_their_code_and_give_the_default(
    opened: Callable[..., Asked], name: str, key: Any, code: ErrorCode
) -> None:
    client = opened(flag("search", "50")).client
    for default in (True, False):
        seen = client.get_boolean_details(name, default, context(key))
        assert (seen.value, seen.reason, seen.error_code, seen.variant) == (default, Reason.ERROR, code, None)
        assert seen.error_message


def test_an_object_is_none_of_the_types(opened: Callable[..., Asked]) -> None:
    seen = opened(flag("search", "50")).client.get_object_details("search", {"a": 1}, context("x"))
    assert (seen.value, seen.error_code) == ({"a": 1}, ErrorCode.TYPE_MISMATCH)


def test_a_flag_that_never_could_be_read_is_a_parse_error(opened: Callable[..., Asked]) -> None:
    class Broken(Fickle):
        def all(self) -> dict[str, Flag | FlagWrong]:
            return {"search": FlagWrong("search: share is no number")}

    seen = opened(store=Broken()).client.get_boolean_details("search", True, context("x"))
    assert (seen.value, seen.error_code) == (True, ErrorCode.PARSE_ERROR)


def test_a_store_that_never_answered_stops_nobody_from_starting(opened: Callable[..., Asked]) -> None:
    store = Fickle(flag("search", "100"))
    store.trouble = GONE
    made = opened(store=store)
    seen = made.client.get_boolean_details("search", False, context("x"))
    assert (seen.value, seen.error_code) == (False, ErrorCode.PROVIDER_NOT_READY)
    assert "connection refused" in str(seen.error_message)
    made.hears(ProviderEvent.PROVIDER_STALE, "the store of flags has never answered")
    store.trouble = None
    made.hears(ProviderEvent.PROVIDER_READY, "the store of flags answers")
    assert made.client.get_boolean_value("search", False, context("x")) is True


def test_what_was_last_read_is_stale_once_the_store_is_silent(opened: Callable[..., Asked]) -> None:
    made = opened(flag("search", "100"), stale_after=1.0)
    assert made.client.get_boolean_details("search", False).reason is Reason.STATIC
    made.store.trouble = GONE
    made.hears(ProviderEvent.PROVIDER_STALE, "the store of flags last answered")
    assert made.client.get_provider_status() is ProviderStatus.STALE
    seen = made.client.get_boolean_details("search", False)
    assert (seen.value, seen.variant, seen.reason, seen.error_code) == (True, "candidate", Reason.STALE, None)
    made.store.trouble = None
    made.hears(ProviderEvent.PROVIDER_READY, "the store of flags answers")
    assert made.client.get_boolean_details("search", False).reason is Reason.STATIC


def test_changes_are_told_of_flags_that_were_asked_for(opened: Callable[..., Asked]) -> None:
    made = opened(flag("search", "10"), flag("other", "10"))
    made.client.get_boolean_value("search", False, context("x"))
    for name in ("other", "search"):
        stored = made.store.all()[name]
        assert isinstance(stored, Flag)
        made.store.put(stored.at(50, reason="more", author="sre", now=NOW), stored.version)
    assert made.hears(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED).flags_changed == ["search"]
    made.environ["CUTOVER_FLAG_SEARCH"] = "true"
    assert made.hears(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, count=2).flags_changed == ["search"]


def test_nothing_that_breaks_inside_reaches_the_caller(opened: Callable[..., Asked]) -> None:
    provider = opened(flag("search", "50")).provider

    class Odd:
        @property
        def targeting_key(self) -> str:
            raise ZeroDivisionError("secret")

    seen = provider.resolve_boolean_details("search", True, Odd())  # type: ignore[arg-type]
    assert (seen.value, seen.error_code, seen.error_message) == (True, ErrorCode.GENERAL, "ZeroDivisionError")
    seen = provider.resolve_boolean_details(None, True)  # type: ignore[arg-type]
    assert (seen.value, seen.reason) == (True, Reason.ERROR)


def test_coroutines_are_answered_too(opened: Callable[..., Asked]) -> None:
    client = opened(flag("search", "100")).client

    async def ask() -> tuple[bool, str, int, float]:
        return (
            await client.get_boolean_value_async("search", False),
            await client.get_string_value_async("search", "?"),
            await client.get_integer_value_async("search", 0),
            await client.get_float_value_async("search", 0.0),
        )

    assert asyncio.run(ask()) == (True, "candidate", 100, 100.0)


def test_it_ends_with_its_thread_and_can_begin_again(opened: Callable[..., Asked]) -> None:
    made = opened(flag("search", "100"))
    threads = [one for one in threading.enumerate() if one.name == "cutover-openfeature"]
    api.clear_providers()
    end = time.monotonic() + 30
    while any(one.is_alive() for one in threads):
        assert time.monotonic() < end
        time.sleep(0.01)
    made.provider.initialize(EvaluationContext())
    assert made.provider.resolve_boolean_details("search", False).value is True
    made.provider.shutdown()
    made.provider.shutdown()


def test_a_salt_is_heeded(opened: Callable[..., Asked]) -> None:
    client = opened(replace(flag("search", "50"), salt="wave-2")).client
    found = {client.get_boolean_value("search", False, context(str(n))) == (bucket_of("wave-2", str(n)) < BUCKETS / 2) for n in range(50)}  # fmt: skip
    assert found == {True}
