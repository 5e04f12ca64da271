"""AWS as it is on a bad day: throttled, failing, forgetful, late, and changes that are accepted without effect."""

import json
import urllib.request
from typing import Any

from cutover.faults.fault import IN_SHIFT, PAST_DEADLINES, SHORT, UNTIL_OVER, Act, Fault, Scene

MANY = 100_000


def told(scene: Scene, method: str, path: str, words: Any = None) -> None:
    """Gives an order to the world's endpoint, on its own port and not over the link."""
    asked = urllib.request.Request(
        scene.ground.world_variables()["AWS_ENDPOINT_URL"] + path,
        data=json.dumps(words).encode() if words is not None else None,
        headers={"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(asked, timeout=5) as answer:
        answer.read()


def _ordered(**words: Any) -> Act:
    return lambda scene: told(scene, "POST", "/_world/faults", {"times": MANY, **words})


def _posted(path: str, **words: Any) -> Act:
    return lambda scene: told(scene, "POST", path, words)


def _well(scene: Scene) -> None:
    told(scene, "DELETE", "/_world/faults")


EXPIRED = "The security token included in the request is expired"
FAULTS = (
    Fault("aws-throttled", "every call is throttled", _ordered(operation="*", code="Throttling"), _well, SHORT + 3, first=IN_SHIFT),
    Fault("aws-500", "every call fails with an internal error", _ordered(operation="*", code="InternalFailure"), _well, SHORT + 3, first=IN_SHIFT),
    Fault(
        "aws-response-lost", "the next two changes are made, and their answers are lost",
        _ordered(operation="writes", lose_response=True, times=2), _well, UNTIL_OVER, first=IN_SHIFT,
    ),
    Fault(
        "aws-token-expired", "the credentials have expired",
        _ordered(operation="*", code="ExpiredToken", message=EXPIRED, status=403), _well, PAST_DEADLINES, first=IN_SHIFT,
    ),
    Fault(
        "aws-late-reads", "for three seconds after a change reads answer the state before it",
        _posted("/_world/late", seconds=3), _posted("/_world/late", seconds=0), UNTIL_OVER, first=IN_SHIFT,
    ),
    Fault(
        "aws-no-effect", "a weight is accepted and read back, and no request follows it",
        _posted("/_world/effect", frozen=True), _posted("/_world/effect", frozen=False), PAST_DEADLINES, first=IN_SHIFT,
    ),
)  # fmt: skip
