"""What a person would type to weigh, promote and restore a distribution, and to see where it stands."""

import json
from shlex import quote

from cutover.aws.deployment import ITS_OWN, SERVES
from cutover.aws.session import Aws

CONFIG = "ContinuousDeploymentPolicy.ContinuousDeploymentPolicyConfig"

# The policy on stdin with the weight given; its stickiness stays.
WEIGHING = """\
import json, sys
policy, weight = json.load(sys.stdin), float(sys.argv[1])
before = policy.get("TrafficConfig", {}).get("SingleWeightConfig", {})
policy["TrafficConfig"] = {"Type": "SingleWeight", "SingleWeightConfig": before | {"Weight": weight}}
print(json.dumps(policy | {"Enabled": weight > 0}))"""

# The configuration on stdin with what is kept in place of it, but for what a distribution keeps for itself.
RESTORED = f"""\
import json, sys
own, kept = json.load(sys.stdin), json.loads(sys.argv[1])["config"]
print(json.dumps({{k: v for k, v in kept.items() if k not in {json.dumps(ITS_OWN)}}} | {{k: own[k] for k in {json.dumps(ITS_OWN)} if k in own}}))"""

# The policy on stdin, both distributions and what is kept of blue (or nothing), shown, and the share in one word.
SHOWN = f"""\
import json, sys
policy = json.load(sys.stdin)["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"]
sides = [json.loads(word)["DistributionConfig"] for word in sys.argv[1:3]]
for side in sides: print(*(one["DomainName"] for one in side["Origins"]["Items"]))
print(json.dumps(policy))
part = lambda side: {{k: side[k] for k in {json.dumps(SERVES)} if side.get(k) not in (None, "", {{"Quantity": 0}})}}
weight = policy.get("TrafficConfig", {{}}).get("SingleWeightConfig", {{}}).get("Weight", 0) if policy["Enabled"] else 0
same = part(sides[0]) == part(sides[1])
blue = same and sys.argv[3] and part(json.loads(sys.argv[3])["config"]) == part(sides[0])
print("both serve blue: nobody gets green" if blue else "100 %" if same else f"{{weight * 100:.4g}} %")"""


def weighed(aws: Aws, distribution: str, weight: str) -> list[str]:
    """Lines that send the fraction `weight` to staging, by compare-and-swap."""
    policy = f'{aws.shell()} cloudfront get-continuous-deployment-policy --id "$policy"'
    return [
        policy_line(aws, distribution),
        f"version=$({policy} --query ETag --output text)",
        f"config=$({policy} --query {CONFIG} --output json | python3 -c '{WEIGHING}' {weight})",
        (
            f'{aws.shell()} cloudfront update-continuous-deployment-policy --id "$policy" --if-match "$version"'
            f' --continuous-deployment-policy-config "$config" --query {CONFIG}'
        ),
    ]


def promoted(aws: Aws, distribution: str, staging: str, kept: list[str]) -> list[str]:
    """Lines that keep blue's configuration and copy staging's over it."""
    cloudfront = f"{aws.shell()} cloudfront"
    versions = [
        f"{side}=$({cloudfront} get-distribution-config --id {quote(one)} --query ETag --output text)"
        for side, one in (("primary", distribution), ("staging", staging))
    ]
    return [
        *versions,
        *kept,
        (
            f"{cloudfront} update-distribution-with-staging-config --id {quote(distribution)}"
            f' --staging-distribution-id {quote(staging)} --if-match "$primary, $staging" --query Distribution.Status'
        ),
    ]


def restored(aws: Aws, distribution: str, kept: str) -> list[str]:
    """Lines that put back what `kept` prints."""
    cloudfront, one = f"{aws.shell()} cloudfront", quote(distribution)
    return [
        f"kept=$({kept})",
        f"version=$({cloudfront} get-distribution-config --id {one} --query ETag --output text)",
        (
            f"config=$({cloudfront} get-distribution-config --id {one} --query DistributionConfig --output json"
            f" | python3 -c '{RESTORED}' \"$kept\")"
        ),
        (
            f'{cloudfront} update-distribution --id {one} --if-match "$version" --distribution-config "$config"'
            " --query Distribution.Status"
        ),
        *deployed(aws, distribution),
    ]


def deployed(aws: Aws, distribution: str) -> list[str]:
    """Lines that wait until a change is everywhere."""
    return [
        "for _ in {1..1800}; do",
        (
            f"  status=$({aws.shell()} cloudfront get-distribution --id {quote(distribution)}"
            " --query Distribution.Status --output text)"
        ),
        '  [ "$status" = Deployed ] && break',
        "  sleep 1",
        "done",
        '[ "$status" = Deployed ]',
    ]


def shown(aws: Aws, distribution: str, staging: str, kept: str) -> list[str]:
    """Lines that print the origins of both, the policy, and the share in one word; `kept` sets $kept."""
    cloudfront = f"{aws.shell()} cloudfront"
    sides = [
        f"{side}=$({cloudfront} get-distribution-config --id {quote(one)} --output json)"
        for side, one in (("primary", distribution), ("staging", staging))
    ]
    policy = f'{cloudfront} get-continuous-deployment-policy --id "$policy" --output json'
    told = f'{policy} | python3 -c \'{SHOWN}\' "$primary" "$staging" "$kept"'
    return [policy_line(aws, distribution), *sides, kept, told]


def policy_line(aws: Aws, distribution: str) -> str:
    """A line that sets $policy."""
    return (
        f"policy=$({aws.shell()} cloudfront get-distribution-config --id {quote(distribution)}"
        " --query DistributionConfig.ContinuousDeploymentPolicyId --output text)"
    )
