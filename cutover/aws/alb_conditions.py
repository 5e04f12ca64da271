"""Conditions of listener rules: which rule a name stands for, and whether a rule can take a hostname's requests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HOST, PATH = "host-header", "path-pattern"
_CONFIGS = {
    HOST: "HostHeaderConfig",
    PATH: "PathPatternConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "http-header": "HttpHeaderConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class RuleName:
    """A listener rule by what it is for: priorities are renumbered and ARNs differ from account to account, a host does not.

    The rule has a host-header condition with this value, one on the path where `path` is given, and no other condition.
    """

    host: str
    path: str = ""

    def __str__(self) -> str:
        return self.host + self.path

    def names(self, rule: Rule) -> bool:
        """Whether the rule is the one; hosts are compared without case, as the load balancer does."""
        conditions = rule.get("Conditions", [])
        wanted = {HOST: self.host.lower(), **({PATH: self.path} if self.path else {})}
        given = {one["Field"]: values_of(one) for one in conditions}
        given[HOST] = [value.lower() for value in given.get(HOST, [])]
        return len(conditions) == len(wanted) and all(value in given.get(field, []) for field, value in wanted.items())


def values_of(condition: Mapping[str, Any]) -> list[Any]:
    """The values of a condition, in whichever of its two forms AWS shows it (ELB API, RuleCondition)."""
    config: Mapping[str, Any] = condition.get(_CONFIGS.get(condition["Field"], ""), {})
    return list(config.get("Values") or condition.get("Values") or [])


def patterns_of(condition: Mapping[str, Any]) -> list[str]:
    """The regular expressions of a condition, which stand beside or instead of values."""
    config: Mapping[str, Any] = condition.get(_CONFIGS.get(condition["Field"], ""), {})
    return list(config.get("RegexValues") or condition.get("RegexValues") or [])


def reaches(conditions: Iterable[Mapping[str, Any]], host: str) -> bool:
    """Whether a request for `host` may meet them; a regular expression counts as met, because only AWS can say."""
    hosts = [one for one in conditions if one["Field"] == HOST]
    return all(patterns_of(one) or any(_like(value, host) for value in values_of(one)) for one in hosts)


def for_whole_host(conditions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing but the host decides."""
    return all(one["Field"] == HOST for one in conditions)


def told(conditions: Iterable[Mapping[str, Any]]) -> str:
    """The conditions in one line."""
    return "; ".join(_told(one) for one in conditions) or "every request"


def precedence(rule: Rule) -> int:
    """The order in which a listener asks its rules; the default one comes last."""
    return 1_000_000 if rule.get("IsDefault") else int(rule["Priority"])


def _told(condition: Mapping[str, Any]) -> str:
    said = [
        value if isinstance(value, str) else f"{value.get('Key', '')}={value['Value']}"
        for value in values_of(condition)
    ]
    said += [f"/{pattern}/" for pattern in patterns_of(condition)]
    name = condition.get("HttpHeaderConfig", {}).get("HttpHeaderName", condition["Field"])
    return f"{name} {', '.join(said)}"


def _like(pattern: str, host: str) -> bool:
    meaning = {"*": ".*", "?": "."}  # ELB user guide, host conditions
    text = "".join(meaning.get(sign) or re.escape(sign) for sign in pattern)
    return re.fullmatch(text, host, re.IGNORECASE) is not None


# Prints the ARN of the rule that the arguments HOST and PATH name, of the rules on stdin; there must be exactly one.
FIND_RULE = """\
import json, sys
host, path = sys.argv[1:]
def values(rule, field, config):
    return [v for c in rule["Conditions"] if c["Field"] == field for v in c.get(config, {}).get("Values") or c.get("Values") or []]
found = [r["RuleArn"] for r in json.load(sys.stdin)
    if len(r["Conditions"]) == 1 + bool(path)
    and host.lower() in [v.lower() for v in values(r, "host-header", "HostHeaderConfig")]
    and (not path or path in values(r, "path-pattern", "PathPatternConfig"))]
if len(found) != 1:
    sys.exit(f"{len(found)} rules are for {host}{path} alone, 1 wanted")
print(found[0])"""
