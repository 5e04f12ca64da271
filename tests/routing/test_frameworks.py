"""The example services in Flask, FastAPI and Django, each asked by its framework's own test client."""

import asyncio
import gc
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from test_exposition import read

from cutover.routing import Flag, Flags, MemoryStore, bucket_of, use_flags
from cutover.routing.examples.fastapi_app import TOKEN
from cutover.routing.examples.fastapi_app import create_app as fastapi_app
from cutover.routing.examples.flask_app import create_app as flask_app
from cutover.routing.exporter import Exporter
from cutover.routing.flag import BUCKETS
from cutover.routing.request_scope import HEADER

NAMES = ("suggestions", "plain-suggestions")
STORE = MemoryStore(*(Flag(name=name, version=1) for name in NAMES))
FLAGS = Flags(STORE, every=0.0)
LEGACY, NEW = ["apple", "apricot"], ["apple", "apricot", "(new)"]
ASKS = {HEADER: "suggestions=candidate, plain-suggestions=candidate"}
ASKS_BACK = {HEADER: "suggestions=legacy,plain-suggestions=legacy"}


def at(share: int) -> None:
    for name in NAMES:
        stored = STORE.all()[name]
        assert isinstance(stored, Flag)
        STORE.put(stored.at(share, reason="test", author="test", now=datetime.now(UTC)), stored.version)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]


class OfFlask:
    flag, path = "suggestions", "/suggestions"
    tester_headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._client = flask_app(FLAGS, Exporter(), "secret", testers={"tess"}).test_client()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        with self._client.get(path, headers=dict(headers or {})) as found:
            return Answer(found.status_code, found.get_data(as_text=True), dict(found.headers))

    def sign_in(self, user: str) -> None:
        self._client.post(f"/sign-in/{user}").close()


class OfFastAPI:
    flag, path = "suggestions", "/suggestions"
    tester_headers: Mapping[str, str] = {TOKEN: "token"}

    def __init__(self) -> None:
        self._client = TestClient(fastapi_app(FLAGS, Exporter(), "secret", token="token"))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        found = self._client.get(path, headers=dict(headers or {}))
        return Answer(found.status_code, found.text, dict(found.headers))

    def sign_in(self, user: str) -> None:
        self._client.post(f"/sign-in/{user}")


class OfFastAPIsThreads(OfFastAPI):
    flag, path = "plain-suggestions", "/plain-suggestions"


class OfDjango:
    flag, path = "suggestions", "/suggestions"
    tester_headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        from django.test import Client

        self._client: Any = Client()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._answer(self._client.get(path, headers=dict(headers or {})))

    def sign_in(self, user: str) -> None:
        self._client.get(f"/sign-in/{user}")

    def _answer(self, found: Any) -> Answer:
        return Answer(found.status_code, found.content.decode(), dict(found.headers))


class OfDjangosCoroutines(OfDjango):
    path = "/suggestions-later"

    def __init__(self) -> None:
        from django.test import AsyncClient

        self._client = AsyncClient()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._answer(asyncio.run(self._client.get(path, headers=dict(headers or {}))))

    def sign_in(self, user: str) -> None:
        asyncio.run(self._client.get(f"/sign-in/{user}"))


Service = OfFlask | OfFastAPI | OfDjango


@pytest.fixture(scope="module")
def django_service() -> Iterator[None]:
    use_flags(FLAGS)
    try:
        from cutover.routing.examples import django_app  # it is set up when it is imported
    finally:
        use_flags(None)
    from django.test import override_settings

    with override_settings(CUTOVER_TESTERS={"tess"}):
        assert django_app.flags is FLAGS
        yield


@pytest.fixture(params=[OfFlask, OfFastAPI, OfFastAPIsThreads, OfDjango, OfDjangosCoroutines])
def service(request: pytest.FixtureRequest, django_service: None) -> Iterator[Service]:
    at(0)
    yield request.param()
    at(0)


def words(service: Service, headers: Mapping[str, str] | None = None, question: str = "ap") -> list[str]:
    found = service.get(f"{service.path}?q={question}", headers)
    assert found.status == 200, found.text
    answer: list[str] = json.loads(found.text)
    return answer


def counted(service: Service, name: str, side: str) -> float:
    answer = service.get("/metrics")
    assert answer.status == 200 and "version=0.0.4" in {k.lower(): v for k, v in answer.headers.items()}["content-type"]
    return read(answer.text)[f'cutover_{name}_total{{flag="{service.flag}",side="{side}"}}']


def test_the_user_of_the_session_is_the_key(service: Service) -> None:
    at(50)
    assert words(service) == LEGACY  # nobody is known
    seen = set()
    for number in range(12):
        service.sign_in(user := f"user-{number}")
        chosen = bucket_of(service.flag, user) < BUCKETS // 2
        assert words(service) == (NEW if chosen else LEGACY)
        seen.add(chosen)
    assert seen == {True, False}


def test_an_error_of_the_candidate_is_seen_in_the_counts_alone(service: Service) -> None:
    gc.collect()  # else the routers of services that are gone would leave the counts in the middle of a test
    at(100)
    before = [counted(service, name, "candidate") for name in ("errors", "fallbacks")]
    assert words(service, question="zebra") == []
    assert [counted(service, name, "candidate") for name in ("errors", "fallbacks")] == [one + 1 for one in before]


def test_a_strangers_header_is_not_heeded(service: Service) -> None:
    assert words(service, ASKS) == LEGACY
    service.sign_in("mallory")
    assert words(service, {**ASKS, TOKEN: "guess"}) == LEGACY
    at(100)
    assert words(service, ASKS_BACK) == NEW


def test_a_testers_header_decides_for_that_request_alone(service: Service) -> None:
    service.sign_in("tess")
    tester = service.tester_headers
    assert words(service, {**tester, **ASKS}) == NEW
    assert words(service, tester) == LEGACY
    assert words(service, {**tester, **ASKS}, question="zebra") == []
    answer = service.get(f"{service.path}?q=ap", {**tester, **ASKS})
    assert {name.lower(): value for name, value in answer.headers.items()}["cache-control"] == "no-store"
    assert "no-store" not in str(service.get(f"{service.path}?q=ap", tester).headers)
    at(100)
    assert words(service, {**tester, **ASKS_BACK}) == LEGACY
    assert words(service, tester) == NEW


def test_a_flag_that_is_off_for_all_by_the_environment_is_off_for_testers_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(f"CUTOVER_FLAG_{name.upper().replace('-', '_')}", "false")
    service.sign_in("tess")
    end = 200
    while (seen := words(service, {**service.tester_headers, **ASKS})) != LEGACY and end:
        end -= 1  # the environment is looked at now and then
    assert seen == LEGACY


def test_what_was_counted_is_mounted(service: Service) -> None:
    at(37)
    gc.collect()  # routers of the tests before have counted for the same flags: they must not go between the two looks
    before = counted(service, "requests", "legacy")
    words(service)
    assert counted(service, "requests", "legacy") == before + 1
    seen = read(service.get("/metrics").text)
    assert seen[f'cutover_rollout_percentage{{flag="{service.flag}"}}'] == 37
