"""What our decision is held against: UnleashClient and OpenFeature's provider in memory, without a server or a network."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cutover.bench.figures import NotMeasured

UNLEASH, OPENFEATURE = "UnleashClient", "OpenFeature in memory"
MISSING = "pip install -e '.[bench-routing]'"
FEATURE = {
    "name": "suggestions", "type": "release", "enabled": True,
    "strategies": [
        {"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "userId", "groupId": "suggestions"}}
    ],
}  # fmt: skip


@contextmanager
def unleash() -> Iterator[Callable[[str], object]]:
    """Decides for a key at 50 %, as a service does for each request; raises NotMeasured when it is not installed."""
    try:
        from UnleashClient import UnleashClient  # type: ignore[import-not-found,import-untyped,attr-defined,unused-ignore]  # an extra
        from UnleashClient.cache import FileCache  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise NotMeasured(MISSING) from error

    with tempfile.TemporaryDirectory() as folder:
        cache = FileCache("bench", folder)
        cache.bootstrap_from_dict({"version": 1, "features": [FEATURE]})
        client = UnleashClient(
            "http://127.0.0.1:9/api",
            "bench",
            cache=cache,
            disable_metrics=True,
            disable_registration=True,
            refresh_interval=86_400,
        )
        client.initialize_client(fetch_toggles=False)
        try:
            yield lambda key: client.is_enabled("suggestions", {"userId": key})
        finally:
            client.destroy()


@contextmanager
def openfeature() -> Iterator[Callable[[str], object]]:
    """Asks for a flag that is on, for a key; this provider hashes nothing. Raises NotMeasured when it is not installed."""
    try:
        from openfeature import api  # type: ignore[import-not-found,import-untyped,attr-defined,unused-ignore]  # an extra
        from openfeature.evaluation_context import EvaluationContext  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from openfeature.provider.in_memory_provider import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            InMemoryFlag,
            InMemoryProvider,
        )
    except ImportError as error:
        raise NotMeasured(MISSING) from error

    api.set_provider(InMemoryProvider({"suggestions": InMemoryFlag("on", {"on": True, "off": False})}))
    client = api.get_client()
    try:
        yield lambda key: client.get_boolean_value("suggestions", False, EvaluationContext(key))
    finally:
        api.shutdown()


OTHERS = {UNLEASH: unleash, OPENFEATURE: openfeature}
