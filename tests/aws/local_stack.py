"""A stack of the local CloudFormation whose parameter carries a share, and what tests do to it behind the step's back."""

import json
from dataclasses import dataclass
from typing import Any

from local_aws import Endpoint

from cutover.aws.cloudformation import StackShare
from cutover.aws.stack_parameter import StackParameter
from cutover.core.clock import Deadline
from cutover.core.share import Share

NAME = "edge"


def template(**more: Any) -> dict[str, Any]:
    """Four parameters: the percentage, one with a default that is not its value, a secret, one that no resource uses."""
    ref = {"Ref": "TrafficPercentage"}
    return {
        "Parameters": {
            "TrafficPercentage": {
                "Type": "Number",
                "Default": 0,
                "MinValue": 0,
                "MaxValue": 100,
                **more.pop("number", {}),
            },
            "Colour": {"Type": "String", "Default": "grey"},
            "Secret": {"Type": "String", "NoEcho": True},
            "Idle": {"Type": "Number", "Default": 0},
        },
        "Resources": {
            "Weights": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": ref}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"Description": {"Fn::Sub": "${Colour}"}}},
        }
        | more.pop("resources", {}),
        **more,
    }


@dataclass
class LocalStack:
    """The stack, made anew by `make`."""

    endpoint: Endpoint

    def make(self, percent: str = "0", **more: Any) -> None:
        self.delete()
        given = {"TrafficPercentage": percent, "Colour": "teal", "Secret": "hidden"}
        self.call(
            "CreateStack",
            TemplateBody=json.dumps(template(**more)),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

    def delete(self) -> None:
        self.order()
        self.call("DeleteStack")

    def order(self, seconds: float = 0.0, fail: str = "") -> None:
        """How long updates take from now on, and how the next one ends."""
        self.endpoint.control("POST", "stacks", {"seconds": seconds, "fail": fail})

    def update(self, percent: str) -> None:
        """Somebody else's update."""
        keep = [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Colour", "Secret", "Idle")]
        self.call(
            "UpdateStack",
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": "TrafficPercentage", "ParameterValue": percent}, *keep],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.endpoint.aws.call("cloudformation", operation, Deadline.after(60), StackName=NAME, **parameters)

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("DescribeStacks")["Stacks"][0]
        return found

    def values(self) -> dict[str, str]:
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.described()["Parameters"]}

    def change_sets(self) -> list[str]:
        return [one["ChangeSetName"] for one in self.call("ListChangeSets")["Summaries"]]

    def share(self, before: float, after: float, **more: Any) -> StackShare:
        return StackShare(
            name=f"edge-to-{after:g}",
            before=Share.of(before),
            after=Share.of(after),
            aws=more.pop("aws", self.endpoint.aws),
            stack=more.pop("stack", NAME),
            parameter=more.pop("parameter", StackParameter("TrafficPercentage")),
            **more,
        )
