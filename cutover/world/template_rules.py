"""What CloudFormation reads out of a template: the values of parameters, what acknowledges it, what a change reaches.

Sources: the CloudFormation API reference ("API") and the user guide ("Guide"); the texts of ValidationErrors as they are told
in public issue threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException

# Guide, resource reference: "Update requires: Replacement" and "Some interruptions" (which may replace).
REPLACING = {
    ("AWS::SSM::Parameter", "Name"): "True",
    ("AWS::SNS::Topic", "TopicName"): "True",
    ("AWS::EC2::Instance", "InstanceType"): "Conditional",
}

Given = Mapping[str, Mapping[str, Any]]


class Refusal(ServiceException):
    """What CloudFormation answers to a request that it does not accept."""

    code = "ValidationError"


def values_of(template: Mapping[str, Any], given: Given, previous: Mapping[str, str]) -> dict[str, str]:
    """The parameters that a request means; one that is not named gets its default, whatever it was before (Guide)."""
    known: Mapping[str, Mapping[str, Any]] = template.get("Parameters", {})
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Refusal(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values: dict[str, str] = {}
    missing = []
    for name, declared in known.items():
        asked = given.get(name, {})
        if asked.get("UsePreviousValue"):
            if "ParameterValue" in asked:
                raise Refusal(
                    f"Invalid input for parameter key {name}. Cannot specify both a value and usePreviousValue"
                )
            if name not in previous:
                raise Refusal(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key "
                    "not in the previous template"
                )
            values[name] = previous[name]
        elif "ParameterValue" in asked:
            values[name] = str(asked["ParameterValue"])
            _within(name, values[name], declared)
        elif "Default" in declared:
            values[name] = str(declared["Default"])
        else:
            missing.append(name)
    if missing:
        raise Refusal(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def _within(name: str, value: str, declared: Mapping[str, Any]) -> None:
    """Guide, "Parameters": AllowedValues, AllowedPattern, MinValue and MaxValue of a Number."""
    if declared["Type"] == "Number":
        if not re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)", value):
            raise Refusal(f"Parameter '{name}' must be a number")
        if "MinValue" in declared and float(value) < float(declared["MinValue"]):
            raise Refusal(f"Parameter '{name}' must be a number not less than {declared['MinValue']}")
        if "MaxValue" in declared and float(value) > float(declared["MaxValue"]):
            raise Refusal(f"Parameter '{name}' must be a number not greater than {declared['MaxValue']}")
    if "AllowedValues" in declared and value not in [str(one) for one in declared["AllowedValues"]]:
        raise Refusal(f"Parameter '{name}' must be one of AllowedValues")
    if "AllowedPattern" in declared and not re.fullmatch(str(declared["AllowedPattern"]), value):
        raise Refusal(f"Parameter '{name}' must match pattern {declared['AllowedPattern']}")


def transforms(template: Mapping[str, Any]) -> list[str]:
    declared = template.get("Transform", [])
    return [declared] if isinstance(declared, str) else list(declared)


def template_of(body: str) -> dict[str, Any]:
    """A template; raises Refusal for what is none."""
    try:
        template = json.loads(body)
    except ValueError:
        template = None
    if not isinstance(template, dict) or not template.get("Resources"):
        raise Refusal("Template format error: the local CloudFormation reads JSON templates with Resources")
    return template


def acknowledged(template: Mapping[str, Any], given: Iterable[str]) -> None:
    """Raises Refusal without it. API, Capabilities: IAM resources and macros have to be acknowledged with every request."""
    kinds = [str(one["Type"]) for one in template["Resources"].values()]
    needed = (["CAPABILITY_IAM"] if any(kind.startswith("AWS::IAM::") for kind in kinds) else []) + (
        ["CAPABILITY_AUTO_EXPAND"] if transforms(template) else []
    )
    lacking = [
        one for one in needed if one not in given and not (one == "CAPABILITY_IAM" and "CAPABILITY_NAMED_IAM" in given)
    ]
    if lacking:
        raise Refusal("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(lacking)}]")


def changes(template: Mapping[str, Any], old: Mapping[str, str], new: Mapping[str, str]) -> list[dict[str, Any]]:
    """The resources that a changed parameter reaches by Ref or Fn::Sub, and whether AWS would replace them."""
    changed = {name for name in new if old.get(name) != new[name]}
    found = []
    for logical, resource in template["Resources"].items():
        touched = [
            key
            for key, value in resource.get("Properties", {}).items()
            if any(f'{{"Ref": "{one}"}}' in json.dumps(value) or f"${{{one}}}" in json.dumps(value) for one in changed)
        ]
        if touched:
            kinds = {REPLACING.get((resource["Type"], key), "False") for key in touched}
            replaced = next((kind for kind in ("True", "Conditional") if kind in kinds), "False")
            found.append(
                {
                    "Action": "Modify",
                    "LogicalResourceId": logical,
                    "PhysicalResourceId": logical.lower(),
                    "ResourceType": resource["Type"],
                    "Replacement": replaced,
                    "Scope": ["Properties"],
                }
            )
    return found
