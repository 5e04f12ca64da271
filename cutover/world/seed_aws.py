"""The AWS side of the local world as it is before a cutover: zone, load balancers, groups, listeners, records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from cutover.world.sites import DEFAULT, Balanced, Site, Weighted

if TYPE_CHECKING:
    from mypy_boto3_elbv2.client import ElasticLoadBalancingv2Client
    from mypy_boto3_route53.client import Route53Client

# AWS's default deregistration delay is 300 s; on one machine nobody wants to watch a target drain that long.
DRAIN_SECONDS = "2"
RULES = 40_000
"""The first priority of the sites' rules, behind that of a page of maintenance."""
NOBODYS: Any = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "nobody's"},
}
"""What a listener answers whose hostnames are told apart by rules."""


def seed(*, blue_port: int, green_port: int, sites: Sequence[Site] = DEFAULT) -> None:
    """Create what is missing, through boto3 with the credentials and AWS_ENDPOINT_URL of the environment.

    Listeners, weights and records that exist stay as they are; only a target whose port changed is replaced.
    """
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
    elbv2 = boto3.client("elbv2", config=config)
    vpc, subnets = _default_network(config)
    route53 = boto3.client("route53", config=config)
    ports = {"blue": blue_port, "green": green_port}
    for site in sorted(sites, key=_order):
        balancers = {}
        for balancer, groups in _behind(site):
            arns = [_target_group(elbv2, name, ports[side], vpc) for side, name in groups]
            balancers[balancer] = _load_balancer(elbv2, balancer, subnets, arns[0], site)
        _records(route53, _zone(route53, f"{site.zone}."), site, balancers)


def _by_a_rule(site: Site) -> bool:
    return isinstance(site, Balanced) and site.rule_host != ""


def _order(site: Site) -> tuple[bool, bool]:
    """Rules last: a listener that one site has by its default action is there by then. Those with wildcards after the others."""
    host = site.rule_host if isinstance(site, Balanced) else ""
    return host != "", "*" in host or "?" in host


def _behind(site: Site) -> list[tuple[str, list[tuple[str, str]]]]:
    """The site's load balancers, each with its target groups by side; the first group gets what the listener gets."""
    if isinstance(site, Balanced):
        return [(site.load_balancer, [("blue", site.blue), ("green", site.green)])]
    # A side's load balancer has one group, which is called like it.
    return [(name, [(side, name)]) for side, name in (("blue", site.blue_balancer), ("green", site.green_balancer))]


def _default_network(config: Config) -> tuple[str, list[str]]:
    ec2: Any = boto3.client("ec2", config=config)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return vpc, sorted(subnet["SubnetId"] for subnet in found)[:2]


def _target_group(elbv2: ElasticLoadBalancingv2Client, name: str, port: int, vpc: str) -> str:
    known = {
        group["TargetGroupName"]: group["TargetGroupArn"] for group in elbv2.describe_target_groups()["TargetGroups"]
    }
    arn = known.get(name)
    if arn is None:
        arn = elbv2.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        elbv2.modify_target_group_attributes(
            TargetGroupArn=arn,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": DRAIN_SECONDS}],
        )
    wanted = ("127.0.0.1", port)
    described = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    registered = {
        (target["Target"]["Id"], target["Target"]["Port"])
        for target in described
        if target["TargetHealth"]["State"] != "draining"
    }
    if wanted not in registered:
        elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": wanted[0], "Port": wanted[1]}])
    if stale := registered - {wanted}:
        elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": host, "Port": port} for host, port in stale])
    return arn


def _load_balancer(elbv2: ElasticLoadBalancingv2Client, name: str, subnets: list[str], group: str, site: Site) -> str:
    known = {balancer["LoadBalancerName"]: balancer for balancer in elbv2.describe_load_balancers()["LoadBalancers"]}
    balancer = known.get(name)
    if balancer is None:
        balancer = elbv2.create_load_balancer(Name=name, Subnets=subnets, Type="application")["LoadBalancers"][0]
    arn, forward = balancer["LoadBalancerArn"], _forward(group, site)
    listeners = {one["Port"]: one["ListenerArn"] for one in elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
    if site.port not in listeners:
        default = NOBODYS if _by_a_rule(site) else forward
        made = elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=site.port, DefaultActions=[default])
        listeners[site.port] = made["Listeners"][0]["ListenerArn"]
    if isinstance(site, Balanced) and site.rule_host:
        _rule(elbv2, listeners[site.port], site, forward)
    return balancer["DNSName"]


def _forward(group: str, site: Site) -> Any:
    if not isinstance(site, Balanced) or not site.sticky:
        return {"Type": "forward", "TargetGroupArn": group}
    sticky = {"Enabled": True, "DurationSeconds": site.sticky}
    groups = [{"TargetGroupArn": group, "Weight": 1}]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}}


def _rule(elbv2: ElasticLoadBalancingv2Client, listener: str, site: Balanced, forward: Any) -> None:
    conditions: list[Any] = [{"Field": "host-header", "HostHeaderConfig": {"Values": [site.rule_host]}}]
    if site.rule_path:
        conditions.append({"Field": "path-pattern", "PathPatternConfig": {"Values": [site.rule_path]}})
    rules = [one for one in elbv2.describe_rules(ListenerArn=listener)["Rules"] if not one["IsDefault"]]
    if not any(one["Conditions"][0].get("HostHeaderConfig", {}).get("Values") == [site.rule_host] for one in rules):
        elbv2.create_rule(ListenerArn=listener, Priority=RULES + len(rules), Conditions=conditions, Actions=[forward])


def _zone(route53: Route53Client, name: str) -> str:
    for zone in route53.list_hosted_zones()["HostedZones"]:
        if zone["Name"] == name:
            return zone["Id"]
    return route53.create_hosted_zone(Name=name, CallerReference=f"local-world-{name}")["HostedZone"]["Id"]


def _records(route53: Route53Client, zone: str, site: Site, names: dict[str, str]) -> None:
    host = f"{site.host}."
    wanted: list[dict[str, Any]] = [{"ResourceRecords": [{"Value": value}]} for value in names.values()]
    if isinstance(site, Weighted):
        for record, identifier, weight in zip(wanted, (site.blue, site.green), (100, 0), strict=True):
            record |= {"SetIdentifier": identifier, "Weight": weight}
    existing = {record["Name"] for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]}
    if host in existing:
        return
    changes: list[Any] = [
        {"Action": "CREATE", "ResourceRecordSet": {"Name": host, "Type": "CNAME", "TTL": site.ttl, **record}}
        for record in wanted
    ]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
