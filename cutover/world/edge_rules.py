"""Which rule of a listener takes a request, and which target it goes to; no sockets here.

Source: the Elastic Load Balancing user guide, pages on listener rules (conditions, wildcards, actions), sticky sessions and
target groups (fail open). A cookie's content is AWS's own secret; here it is the group and the end of its life. All weights 0 is not documented; it is treated like an empty group, and nobody should write it.
"""

from __future__ import annotations

import base64
import ipaddress
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Asked:
    """What conditions look at; header names in lower case, `host` without a port."""

    method: str
    host: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, Sequence[str]]
    source: str


@dataclass(frozen=True)
class Target:
    """One address of a group with its state (initial, healthy, unhealthy, draining, unused)."""

    host: str
    port: int
    state: str


def action_for(rules: Iterable[Mapping[str, Any]], asked: Asked) -> Mapping[str, Any]:
    """The last (routing) action of the first rule whose conditions all hold; rules come by priority, the default last."""
    for rule in rules:
        if all(_holds(condition, asked) for condition in rule["conditions"]):
            action: Mapping[str, Any] = rule["actions"][-1]
            return action
    raise LookupError("a listener without a default rule")


def _holds(condition: Mapping[str, Any], asked: Asked) -> bool:
    match condition["Field"]:
        case "path-pattern":
            return _any_like(_values(condition, "PathPatternConfig"), [asked.path], ignore_case=False)
        case "host-header":
            return _any_like(_values(condition, "HostHeaderConfig"), [asked.host], ignore_case=True)
        case "http-request-method":
            return asked.method in condition["HttpRequestMethodConfig"]["Values"]
        case "http-header":
            config = condition["HttpHeaderConfig"]
            seen = asked.headers.get(config["HttpHeaderName"].lower(), ())
            return _any_like(config["Values"], seen, ignore_case=True)
        case "query-string":
            return any(_query_holds(wanted, asked.query) for wanted in condition["QueryStringConfig"]["Values"])
        case "source-ip":
            source = ipaddress.ip_address(asked.source)
            return any(source in ipaddress.ip_network(net) for net in condition["SourceIpConfig"]["Values"])
    return False


def _values(condition: Mapping[str, Any], config: str) -> Sequence[str]:
    values: Sequence[str] = condition.get(config, condition).get("Values", ())
    return values


def _query_holds(wanted: Mapping[str, str], query: Sequence[tuple[str, str]]) -> bool:
    return any(
        ("Key" not in wanted or _any_like([wanted["Key"]], [key], ignore_case=True))
        and _any_like([wanted["Value"]], [value], ignore_case=True)
        for key, value in query
    )


def _any_like(patterns: Iterable[str], texts: Iterable[str], *, ignore_case: bool) -> bool:
    return any(_wildcard(pattern, ignore_case).fullmatch(text) for pattern in patterns for text in texts)


@lru_cache(maxsize=1024)
def _wildcard(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    meaning = {"*": ".*", "?": "."}
    text = "".join(meaning.get(sign) or re.escape(sign) for sign in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def draw_group(action: Mapping[str, Any], chance: random.Random) -> str | None:
    """The target group's ARN for one request, by weight; None when every weight is 0."""
    groups = action["ForwardConfig"]["TargetGroups"]
    weights = [int(group["Weight"]) for group in groups]
    if not any(weights):
        return None
    arn: str = chance.choices(groups, weights)[0]["TargetGroupArn"]
    return arn


def sticky_seconds(action: Mapping[str, Any]) -> int:
    """The life of the group stickiness cookie, 0 where there is none."""
    config = action["ForwardConfig"].get("TargetGroupStickinessConfig") or {}
    return int(config["DurationSeconds"]) if str(config.get("Enabled")).lower() == "true" else 0


def sticky_cookie(group: str, expires: float) -> str:
    """What the cookie AWSALBTG holds for a client that got this group (ARN)."""
    return base64.urlsafe_b64encode(f"{expires:.0f} {group}".encode()).decode().rstrip("=")


def kept_group(action: Mapping[str, Any], cookie: str | None, now: float) -> str | None:
    """The group that a client with this cookie keeps, whatever its weight is now; None for a stranger's or a stale one."""
    if not cookie or not sticky_seconds(action):
        return None
    try:
        expires, group = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)).decode().split(" ", 1)
        known = float(expires) > now and any(
            one["TargetGroupArn"] == group for one in action["ForwardConfig"]["TargetGroups"]
        )
    except ValueError:
        return None
    return group if known else None


def candidates(targets: Sequence[Target]) -> list[Target]:
    """Who may get a new request: the healthy ones, or all of them when none is healthy (fail open); never a draining one."""
    registered = [target for target in targets if target.state != "draining"]
    return [target for target in registered if target.state == "healthy"] or registered
