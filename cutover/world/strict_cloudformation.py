"""CloudFormation in the local world: the operations on stacks in memory, answered instead of moto's.

moto accepts a change of nothing, values out of bounds and unknown parameters, never fails, and cannot execute a change set.
Its package also loads half of AWS; what is here needs only its reading of requests and writing of answers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from cutover.world.stacks import Stack, Stacks
from cutover.world.template_rules import Refusal, transforms

PAGE = 100  # events on a page, as AWS gives them


def install() -> Stacks:
    """A fresh account without stacks."""
    StrictCloudFormation.stacks = Stacks()
    return StrictCloudFormation.stacks


class StrictCloudFormation(BaseResponse):
    """One request; the state is shared."""

    stacks: ClassVar[Stacks]

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    def create_stack(self) -> ActionResult:
        stack = self.stacks.create(
            self._get_param("StackName"), self._get_param("TemplateBody") or "", self._given(), self._capabilities()
        )
        return ActionResult({"StackId": stack.id})

    def delete_stack(self) -> ActionResult:
        self.stacks.delete(self._get_param("StackName"))
        return EmptyResult()

    def update_stack(self) -> ActionResult:
        stack = self._previous_template()
        self.stacks.update(stack, self._given(), self._capabilities(), self._get_param("ClientRequestToken") or "")
        return ActionResult({"StackId": stack.id})

    def describe_stacks(self) -> ActionResult:
        return ActionResult({"Stacks": [_described(self._stack())]})

    def describe_stack_events(self) -> ActionResult:
        events = list(reversed(self._stack().events))
        start = int(self._get_param("NextToken") or 0)
        more = {"NextToken": str(start + PAGE)} if start + PAGE < len(events) else {}
        return ActionResult({"StackEvents": events[start : start + PAGE], **more})

    def get_template(self) -> ActionResult:
        return ActionResult({"TemplateBody": self._stack().body, "StagesAvailable": ["Original", "Processed"]})

    def get_template_summary(self) -> ActionResult:
        template = self._stack().template
        return ActionResult(
            {
                "Parameters": [
                    {
                        "ParameterKey": name,
                        "ParameterType": declared["Type"],
                        "NoEcho": _hidden(declared),
                        "ParameterConstraints": {
                            "AllowedValues": [str(one) for one in declared.get("AllowedValues", [])]
                        },
                        **({"DefaultValue": str(declared["Default"])} if "Default" in declared else {}),
                    }
                    for name, declared in template.get("Parameters", {}).items()
                ],
                "DeclaredTransforms": transforms(template),
                "ResourceTypes": sorted({one["Type"] for one in template["Resources"].values()}),
            }
        )

    def create_change_set(self) -> ActionResult:
        stack = self._previous_template()
        proposed = self.stacks.propose(stack, self._get_param("ChangeSetName"), self._given(), self._capabilities())
        return ActionResult({"Id": proposed.id, "StackId": stack.id})

    def describe_change_set(self) -> ActionResult:
        stack = self._stack()
        proposed = self.stacks.change_set(stack, self._get_param("ChangeSetName"))
        changes = [{"Type": "Resource", "ResourceChange": change} for change in proposed.changes]
        return ActionResult(
            {
                **_listed(stack, proposed),
                "Parameters": _parameters(stack, proposed.values),
                "Changes": changes if proposed.status == "CREATE_COMPLETE" else [],
            }
        )

    def list_change_sets(self) -> ActionResult:
        stack = self._stack()
        return ActionResult({"Summaries": [_listed(stack, one) for one in stack.change_sets.values()]})

    def delete_change_set(self) -> ActionResult:
        self.stacks.withdraw(self._stack(), self._get_param("ChangeSetName"))
        return EmptyResult()

    def execute_change_set(self) -> ActionResult:
        token = self._get_param("ClientRequestToken") or ""
        self.stacks.execute(self._stack(), self._get_param("ChangeSetName"), token)
        return EmptyResult()

    def continue_update_rollback(self) -> ActionResult:
        self.stacks.roll_back_again(self._stack(), self._get_param("ClientRequestToken") or "")
        return EmptyResult()

    def _stack(self) -> Stack:
        name = self._get_param("StackName")
        if not name:
            raise Refusal("the local CloudFormation wants a StackName")
        return self.stacks.find(name)

    def _previous_template(self) -> Stack:
        stack = self._stack()
        if self._get_param("TemplateBody") or self._get_param("TemplateURL"):
            raise Refusal("the local CloudFormation changes parameters, not templates")
        if str(self._get_param("UsePreviousTemplate")).lower() != "true":
            raise Refusal("Either Template URL or Template Body must be specified.")
        return stack

    def _given(self) -> dict[str, dict[str, Any]]:
        given: dict[str, dict[str, Any]] = {}
        for one in self._get_param("Parameters") or []:
            if one["ParameterKey"] in given:
                raise Refusal(f"Duplicate parameter {one['ParameterKey']}")
            given[one["ParameterKey"]] = one
        return given

    def _capabilities(self) -> list[str]:
        return list(self._get_param("Capabilities") or [])


def _hidden(declared: dict[str, Any]) -> bool:
    return str(declared.get("NoEcho", False)).lower() == "true"


def _parameters(stack: Stack, values: dict[str, str]) -> list[dict[str, str]]:
    declared = stack.template.get("Parameters", {})
    # Guide, "Parameters": a NoEcho value comes as asterisks, whoever asks.
    return [
        {"ParameterKey": name, "ParameterValue": "****" if _hidden(declared[name]) else value}
        for name, value in values.items()
    ]


def _described(stack: Stack) -> dict[str, Any]:
    updated: dict[str, datetime] = {"LastUpdatedTime": stack.updated} if stack.updated else {}
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "Parameters": _parameters(stack, stack.values),
        "Capabilities": stack.capabilities,
        **updated,
        **({"StackStatusReason": stack.reason} if stack.reason else {}),
    }


def _listed(stack: Stack, proposed: Any) -> dict[str, Any]:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": proposed.id,
        "ChangeSetName": proposed.name,
        "Status": proposed.status,
        "ExecutionStatus": proposed.execution,
        "CreationTime": proposed.created,
        **({"StatusReason": proposed.reason} if proposed.reason else {}),
    }
