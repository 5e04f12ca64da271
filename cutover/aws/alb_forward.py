"""The place where a share stands: a listener's default action or one of its rules, found, written and read back."""

import shlex
from typing import Any

from cutover.aws.alb_conditions import FIND_RULE, RuleName
from cutover.aws.listener import ELB, Listener, Missing, comparable, find_listener, listener_shell, script
from cutover.aws.session import Aws, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.telling import say

GROUPS_AT_MOST = 5  # ELB quotas page: target groups per action
PAUSE = 0.3  # seconds before a write is looked at again
VISIBLE = 10.0  # seconds after which a write that was accepted has to be seen


def find_forward(aws: Aws, load_balancer: str, port: int, rule: RuleName | None, deadline: Deadline) -> Listener:
    """The listener with the actions of its named rule, or with its default ones; raises Missing with the state to report."""
    listener = find_listener(aws, load_balancer, port, deadline)
    if rule is None:
        return listener
    rules = [one for one in aws.pages(ELB, "DescribeRules", deadline, "Rules", ListenerArn=listener.arn)]
    found = [one for one in rules if not one.get("IsDefault") and rule.names(one)]
    if len(found) != 1:
        raise Missing(f"{len(found)} rules on port {port} of {load_balancer} are for {rule} alone, 1 wanted")
    return Listener(listener.arn, tuple(found[0]["Actions"]), found[0]["RuleArn"], tuple(found[0]["Conditions"]))


def write_actions(aws: Aws, listener: Listener, actions: list[dict[str, Any]], deadline: Deadline) -> None:
    """Replaces the whole list of actions, as AWS wants it, after a last look; reads back what then stands there.

    It is written even where it seems to stand there already: a read may answer what was true before an earlier write of ours,
    and only what is sent last is sure to stand at the end. Raises StepFailed when something else stands there, before or
    after, or when what was written is not shown within 10 s. ELB has no compare-and-swap: only looking just before and just
    after shows that nobody wrote between our read and our write.
    """
    groups = len(comparable(actions)[-1]["groups"])
    if groups > GROUPS_AT_MOST:
        raise StepFailed(
            f"refused: {groups} target groups in one action, at most {GROUPS_AT_MOST}; nothing was written"
        )
    before, wanted = comparable(list(listener.actions)), comparable(actions)
    lost: OutcomeUnknown | None = None
    while True:
        seen = _shown(aws, listener, deadline)
        if lost is not None and seen == wanted:
            return
        if seen not in (before, wanted):
            raise StepFailed(
                "the listener changed under our hands between looking and writing; nothing was written"
                if lost is None
                else "the listener shows other actions than those just sent: somebody else writes to it too"
            )
        if lost is not None and deadline.expired:
            raise lost
        try:
            _send(aws, listener, writable(actions), deadline)
            break
        except OutcomeUnknown as error:
            lost = error
            deadline.clock.sleep(min(PAUSE, deadline.remaining()))
    _await_shown(aws, listener, before, wanted, deadline)


def _await_shown(
    aws: Aws, listener: Listener, before: list[dict[str, Any]], wanted: list[dict[str, Any]], deadline: Deadline
) -> None:
    """Reads may still answer what stood there before; anything else was written by somebody else."""
    until = deadline.within(VISIBLE)
    while (seen := _shown(aws, listener, deadline)) != wanted:
        if seen != before:
            raise StepFailed("the listener shows other actions than those just written: somebody else writes to it too")
        if until.expired:
            raise StepFailed("what was written is not shown in time: the listener shows what was there before")
        say(f"the listener shows what was there before; {until.remaining():.0f} s more")
        deadline.clock.sleep(min(PAUSE, until.remaining()))


def writable(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The actions in the form that AWS takes back: it never shows a client secret, and keeps it when told so.

    ELB API, AuthenticateOidcActionConfig: ClientSecret may be omitted with UseExistingClientSecret.
    """
    return [
        {
            **action,
            "AuthenticateOidcConfig": {
                **{k: v for k, v in action["AuthenticateOidcConfig"].items() if k != "ClientSecret"},
                "UseExistingClientSecret": True,
            },
        }
        if "AuthenticateOidcConfig" in action
        else action
        for action in actions
    ]


def _send(aws: Aws, listener: Listener, actions: list[dict[str, Any]], deadline: Deadline) -> None:
    if listener.rule:
        # Conditions and priority are not named, so they stay as they are (ELB API, ModifyRule).
        aws.call(ELB, "ModifyRule", deadline, RuleArn=listener.rule, Actions=actions)
    else:
        # The default rule is the listener's own: ModifyRule answers OperationNotPermitted (ELB API, ModifyRule).
        aws.call(ELB, "ModifyListener", deadline, ListenerArn=listener.arn, DefaultActions=actions)


def _shown(aws: Aws, listener: Listener, deadline: Deadline) -> list[dict[str, Any]]:
    if not listener.rule:
        shown = aws.call(ELB, "DescribeListeners", deadline, ListenerArns=[listener.arn])["Listeners"][0]
        return comparable(shown["DefaultActions"])
    rule = aws.call(ELB, "DescribeRules", deadline, RuleArns=[listener.rule])["Rules"][0]
    if tuple(rule["Conditions"]) != listener.conditions:
        raise StepFailed("the rule has other conditions than a moment ago: somebody else writes to it too")
    return comparable(rule["Actions"])


# Changes what is named (ARN=WEIGHT, ARN= takes the group out, stickiness=SECONDS or stickiness=0) and keeps everything else
# of the actions read from stdin.
CHANGE = """\
import json, sys
actions = json.load(sys.stdin)
for action in actions:
    if "AuthenticateOidcConfig" in action:
        action["AuthenticateOidcConfig"]["UseExistingClientSecret"] = True
forward = next(a for a in actions if a["Type"] == "forward")
config = forward.setdefault("ForwardConfig", {})
alone = forward.pop("TargetGroupArn", None)
groups = {g["TargetGroupArn"]: g for g in config.get("TargetGroups") or [{"TargetGroupArn": alone}]}
for name, value in (word.rsplit("=", 1) for word in sys.argv[1:]):
    if name == "stickiness":
        config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": int(value)} if int(value) else {"Enabled": False}
    elif value:
        groups.setdefault(name, {"TargetGroupArn": name})["Weight"] = int(value)
    else:
        groups.pop(name, None)
config["TargetGroups"] = list(groups.values())
print(json.dumps(actions))"""


def forward_shell(aws: Aws, load_balancer: str, port: int, rule: RuleName | None) -> list[str]:
    """Lines that set $listener and $actions, and $rule where one is named."""
    found = listener_shell(aws, load_balancer, port)
    if rule is None:
        shown = "describe-listeners --listener-arns \"$listener\" --query 'Listeners[0].DefaultActions'"
    else:
        shown = "describe-rules --rule-arns \"$rule\" --query 'Rules[0].Actions'"
        found.append(
            f"rule=$({aws.shell()} elbv2 describe-rules --listener-arn \"$listener\" --query 'Rules[?!IsDefault]'"
            f" --output json | python3 -c '{FIND_RULE}' {shlex.quote(rule.host)} {shlex.quote(rule.path)})"
        )
    return [*found, f"actions=$({aws.shell()} elbv2 {shown} --output json)"]


def change_shell(aws: Aws, rule: RuleName | None, words: str) -> list[str]:
    """Lines that write $actions changed by `words`, which are in shell form, to where they came from."""
    changed = f"actions=$(python3 -c '{CHANGE}' {words} <<< \"$actions\")"
    if rule is None:
        write = 'modify-listener --listener-arn "$listener" --default-actions "$actions" --query \'Listeners[0].DefaultActions\''
    else:
        write = 'modify-rule --rule-arn "$rule" --actions "$actions" --query \'Rules[0].Actions\''
    return [changed, f"{aws.shell()} elbv2 {write}"]


# Prints name and weight of each target group of the actions on stdin; a group that stands alone has weight 1.
WEIGHTS = """\
import json, sys
for action in json.load(sys.stdin):
    alone = [{"TargetGroupArn": action["TargetGroupArn"]}] if "TargetGroupArn" in action else []
    for group in action.get("ForwardConfig", {}).get("TargetGroups") or alone:
        print(group["TargetGroupArn"].split("/")[1], group.get("Weight", 1))"""


def weights_shell(aws: Aws, load_balancer: str, port: int, rule: RuleName | None, each: str, told: str) -> str:
    """Shows the weight of each target group, and then the state in one word; both awk parts see name and weight."""
    return script(
        [
            *forward_shell(aws, load_balancer, port, rule),
            f"python3 -c '{WEIGHTS}' <<< \"$actions\" | awk '{{ print; {each} }} END {{ print {told} }}'",
        ]
    )
