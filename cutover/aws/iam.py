"""Permissions as an IAM policy: exact actions on exact resources, in as few statements as say the same."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.aws.permission import Permission

VERSION = "2012-10-17"
LONGEST = 6144  # characters of one managed policy, white space not counted (IAM and STS quotas)

# IAM's name of a service, where it is not boto3's.
PREFIXES: Mapping[str, str] = {"elbv2": "elasticloadbalancing"}

# Actions of an API operation, where they are not just its own name (Service Authorization Reference, and the operation's page).
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "cloudfront:CopyDistribution": ("CopyDistribution", "CreateDistribution", "GetDistribution"),
    "cloudfront:CreateDistributionWithTags": ("CreateDistribution", "TagResource"),
    "cloudfront:UpdateDistributionWithStagingConfig": ("UpdateDistribution", "UpdateDistributionWithStagingConfig"),
    "lambda:Invoke": ("InvokeFunction",),
    "rds:DeleteDBInstance": ("CreateDBSnapshot", "DeleteDBInstance"),
    "s3:CompleteMultipartUpload": ("PutObject",),
    "s3:CopyObject": ("GetObject", "PutObject"),
    "s3:CreateMultipartUpload": ("PutObject",),
    "s3:DeleteObjects": ("DeleteObject",),
    "s3:GetBucketEncryption": ("GetEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("GetLifecycleConfiguration",),
    "s3:GetObjectLockConfiguration": ("GetBucketObjectLockConfiguration",),
    "s3:GetPublicAccessBlock": ("GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("ListBucket",),
    "s3:HeadObject": ("GetObject",),
    "s3:ListBuckets": ("ListAllMyBuckets",),
    "s3:ListMultipartUploads": ("ListBucketMultipartUploads",),
    "s3:ListObjectVersions": ("ListBucketVersions",),
    "s3:ListObjects": ("ListBucket",),
    "s3:ListObjectsV2": ("ListBucket",),
    "s3:ListParts": ("ListMultipartUploadParts",),
    "s3:UploadPart": ("PutObject",),
    "sns:PublishBatch": ("Publish",),
}

# Actions of an API operation on a kind of resource, where it needs others there than on the rest (the same reference).
ON_RESOURCE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("elbv2:CreateRule", "listener-rule"): ("AddTags",),  # the rule is made with its tag
    ("rds:DeleteDBInstance", "snapshot"): ("CreateDBSnapshot",),  # the last one
}

UNKNOWN = {"zone": "*", "listener": "*/*"}  # ids that AWS gives, while nobody has asked for them
ID = re.compile(r"\{(zone|listener):([^}]+)\}")

Conditions = tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Place:
    """Where a policy is for; `ids` are those that AWS gave, by kind and name as a permission writes them."""

    region: str
    account: str
    ids: Mapping[str, str] = field(default_factory=dict)

    def arn(self, resource: str) -> str:
        """A permission's resource, written out."""
        found = resource.replace("{region}", self.region).replace("{account}", self.account)
        found = ID.sub(lambda match: self.ids.get(match[0], UNKNOWN[match[1]]), found)
        return re.sub(r"^arn:aws:", f"arn:{self._partition()}:", found)

    def _partition(self) -> str:
        # Amazon Resource Names, "Partitions": China and GovCloud are apart.
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(re.sub(r"-[a-z]+-\d+$", "", self.region), "aws")


def actions(permission: Permission) -> tuple[str, ...]:
    """The IAM actions that one API operation needs."""
    prefix = PREFIXES.get(permission.service, permission.service)
    call = f"{permission.service}:{permission.operation}"
    kind = re.split(r"[:/]", permission.resource.split(":", 5)[-1])[0]
    names = ON_RESOURCE.get((call, kind)) or ACTIONS.get(call, (permission.operation,))
    return tuple(f"{prefix}:{name}" for name in names)


def policies(permissions: Iterable[Permission], place: Place) -> list[dict[str, Any]]:
    """The policy documents that allow exactly this; more than one only where a single one would be too long for IAM."""
    found: list[list[dict[str, Any]]] = [[]]
    for statement in statements(permissions, place):
        if found[-1] and size(_document([*found[-1], statement])) > LONGEST:
            found.append([])
        found[-1].append(statement)
    return [_document(one) for one in found]


def size(document: Mapping[str, Any]) -> int:
    """Characters as IAM counts them."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))


def statements(permissions: Iterable[Permission], place: Place) -> list[dict[str, Any]]:
    """Statements that together allow each action on its resources under its conditions, and nothing else."""
    by_resource: dict[tuple[bool, Conditions, str], set[str]] = defaultdict(set)
    for one in permissions:
        by_resource[(one.reads, one.conditions, place.arn(one.resource))].update(actions(one))
    by_actions: dict[tuple[bool, Conditions, tuple[str, ...]], set[str]] = defaultdict(set)
    for (reads, conditions, resource), names in by_resource.items():
        by_actions[(reads, conditions, tuple(sorted(names)))].add(resource)
    ordered = sorted(
        by_actions.items(), key=lambda found: (not found[0][0], found[0][2], found[0][1], sorted(found[1]))
    )
    return [
        {
            "Sid": f"{'Look' if reads else 'Change'}{number}",
            "Effect": "Allow",
            "Action": list(names),
            "Resource": sorted(resources),
            **({"Condition": _condition(conditions)} if conditions else {}),
        }
        for number, ((reads, conditions, names), resources) in enumerate(ordered, 1)
    ]


def unresolved(permissions: Iterable[Permission]) -> list[tuple[str, str]]:
    """Kind and name of every id that AWS gives: (`zone`, example.com), (`listener`, shop:443)."""
    return sorted({(kind, name) for one in permissions for kind, name in ID.findall(one.resource)})


def placeholder(kind: str, name: str) -> str:
    """How a permission writes such an id."""
    return f"{{{kind}:{name}}}"


def _document(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": list(found)}


def _condition(conditions: Conditions) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in conditions:
        found.setdefault(operator, {})[key] = list(values)
    return found
