"""What a metric is of: a load balancer and a target group by their names, as people know them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from cutover.aws.cloudwatch import dimension_value
from cutover.aws.listener import balancer_shell, group_shell, load_balancer_arn, target_group_arn
from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

LOOKED_UP = {"LoadBalancer": "balancer", "TargetGroup": "group"}
PERMISSIONS = (
    Permission("elbv2", "DescribeLoadBalancers", "*"),
    Permission("elbv2", "DescribeTargetGroups", "*"),
)


@dataclass(frozen=True)
class Dimensions:
    """Values of dimensions; each name is looked up once."""

    aws: Aws
    _values: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def value(self, name: str, text: str, deadline: Deadline) -> str:
        """A dimension's value as CloudWatch knows it; raises Missing for a name that is not there, AwsError."""
        if name not in LOOKED_UP or "/" in text:
            return text
        if (name, text) not in self._values:
            look_up = load_balancer_arn if name == "LoadBalancer" else target_group_arn
            self._values[name, text] = dimension_value(look_up(self.aws, text, deadline))
        return self._values[name, text]


def needed(document: Any) -> tuple[tuple[str, str], ...]:
    """The names in a document that have to be looked up, wherever they stand in it."""
    return tuple(sorted({(name, text) for name, text in _pairs(document) if name in LOOKED_UP and "/" not in text}))


def with_values(document: Any, value_of: Callable[[str, str], str]) -> Any:
    """The document with other values.

    A dimension is {Name, Value} in a query, two in a row in a dashboard's list, and a key with its value in Grafana's.
    """
    if isinstance(document, dict):
        name = document.get("Name")
        filled = {
            key: value_of(key, one) if key in LOOKED_UP and isinstance(one, str) else with_values(one, value_of)
            for key, one in document.items()
        }
        return {**filled, "Value": value_of(name, document["Value"])} if name in LOOKED_UP else filled
    if isinstance(document, list):
        words = [name for name in LOOKED_UP if name in document]
        return [
            value_of(before, one) if isinstance(one, str) and before in words else with_values(one, value_of)
            for before, one in zip([None, *document], document, strict=False)
        ]
    return document


def _pairs(document: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def noted(name: str, text: str) -> str:
        found.append((name, text))
        return text

    with_values(document, noted)
    return found


def looked_up_shell(aws: Aws, names: tuple[tuple[str, str], ...]) -> tuple[list[str], Mapping[tuple[str, str], str]]:
    """Lines that look these up, and for each the word of bash that stands for its value."""
    lines, words = [], {}
    for number, (name, text) in enumerate(names):
        variable = f"{LOOKED_UP[name]}{number}"
        shell = balancer_shell(aws, text).replace("balancer=", f"{variable}=", 1) if name == "LoadBalancer" else ""
        lines.append(shell or group_shell(aws, variable, text))
        words[name, text] = f"${{{variable}{'#*:loadbalancer/' if name == 'LoadBalancer' else '##*:'}}}"
    return lines, words


def filled_shell(document: Any, words: Mapping[tuple[str, str], str]) -> str:
    """A document as one quoted word of JSON, in which bash puts what was looked up."""
    marks = {key: f"@{number}@" for number, key in enumerate(words)}

    marked = with_values(document, lambda name, text: marks.get((name, text), text))
    written = quote(json.dumps(marked, sort_keys=True))
    for key, mark in marks.items():
        # The JSON is in single quotes; a variable closes them and opens them again.
        written = written.replace(mark, f"'\"{words[key]}\"'")
    return written
