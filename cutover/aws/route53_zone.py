"""Which hosted zone of Route 53 a name stands for: the public one, or on demand a private one of a VPC."""

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.listener import Missing, literal
from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

ROUTE53 = "route53"


@dataclass(frozen=True)
class Zone:
    """A zone by name. A private one may be told apart from others of that name by the id of its VPC."""

    aws: Aws
    name: str
    private: bool = False
    vpc: str = ""

    @property
    def arn(self) -> str:
        """As a permission writes it; the id is AWS's to give."""
        kind = self.vpc or ("private" if self.private else "")
        return f"arn:aws:route53:::hostedzone/{{zone:{canonical(self.name)}{'/' if kind else ''}{kind}}}"

    @classmethod
    def of(cls, aws: Aws, written: str) -> "Zone":
        """The zone that a permission writes as NAME, NAME/private or NAME/VPC."""
        name, _, kind = written.partition("/")
        return cls(aws, name, private=bool(kind), vpc=kind if kind.startswith("vpc-") else "")

    def id(self, deadline: Deadline) -> str:
        """Without /hostedzone/; raises Missing when there is none or more than one, AwsError when AWS cannot be asked."""
        ids = list(self._of_vpc(deadline) if self.vpc else self._of_name(deadline))
        kind = "private" if self.private else "public"
        of_vpc = f" of {self.vpc}" if self.vpc else ""
        if not ids:
            raise Missing(f"there is no {kind} zone {self.name}{of_vpc}")
        if len(ids) > 1:
            raise Missing(f"{len(ids)} {kind} hosted zones are called {self.name}{of_vpc}: {', '.join(sorted(ids))}")
        return ids[0]

    def _of_name(self, deadline: Deadline) -> Iterator[str]:
        start: dict[str, Any] = {"DNSName": self.name}
        while True:
            page = self.aws.call(ROUTE53, "ListHostedZonesByName", deadline, **start)
            for one in page["HostedZones"]:
                private = bool(one.get("Config", {}).get("PrivateZone", False))
                if canonical(one["Name"]) == canonical(self.name) and private is self.private:
                    yield one["Id"].removeprefix("/hostedzone/")
            # Zones of one name stand together, so the first page that ends at another name ends them.
            if not page.get("IsTruncated") or canonical(page["NextDNSName"]) != canonical(self.name):
                return
            start = {"DNSName": page["NextDNSName"], "HostedZoneId": page["NextHostedZoneId"]}

    def _of_vpc(self, deadline: Deadline) -> Iterator[str]:
        asked: dict[str, Any] = {"VPCId": self.vpc, "VPCRegion": self.aws.region}
        while True:
            page = self.aws.call(ROUTE53, "ListHostedZonesByVPC", deadline, **asked)
            for one in page["HostedZoneSummaries"]:
                if canonical(one["Name"]) == canonical(self.name):
                    yield one["HostedZoneId"]
            if not page.get("NextToken"):
                return
            asked["NextToken"] = page["NextToken"]

    def permissions(self) -> Iterator[Permission]:
        """What finding it asks of AWS; neither call takes a resource for a name."""
        yield Permission(ROUTE53, "ListHostedZonesByVPC" if self.vpc else "ListHostedZonesByName", "*")

    def shell(self) -> str:
        """Lines that set $zone; they fail unless there is exactly one."""
        called = f"Name=={literal(canonical(self.name) + '.')}"
        if self.vpc:
            listed = f"list-hosted-zones-by-vpc --vpc-id {quote(self.vpc)} --vpc-region {quote(self.aws.region)}"
            wanted = f"HostedZoneSummaries[?{called}].HostedZoneId"
        else:
            listed = f"list-hosted-zones-by-name --dns-name {quote(self.name)}"
            private = "true" if self.private else "false"
            wanted = f"HostedZones[?{called} && Config.PrivateZone==`{private}`].Id"
        return (
            f"zone=$({self.aws.shell()} route53 {listed} --query {quote(wanted)} --output text)\n"
            "[[ $zone =~ ^[A-Za-z0-9/]+$ && $zone != None ]]"
            ' || { echo "not exactly one zone of that name: $zone" >&2; false; }'
        )


def canonical(name: str) -> str:
    """A name in comparable form: lower case, no dot at the end, * as \\052 (Route 53 guide, DNS domain name format)."""
    return name.lower().rstrip(".").replace("*", "\\052")
