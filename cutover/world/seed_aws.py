"""The AWS side of the local world as it is before a cutover: zone, load balancers, groups, listeners, records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_elbv2.client import ElasticLoadBalancingv2Client
    from mypy_boto3_route53.client import Route53Client

ZONE = "shop.test."
TTL = 5
# AWS's default deregistration delay is 300 s; on one machine nobody wants to watch a target drain that long.
DRAIN_SECONDS = "2"


def seed(*, blue_port: int, green_port: int) -> None:
    """Create what is missing, through boto3 with the credentials and AWS_ENDPOINT_URL of the environment.

    Listeners, weights and records that exist stay as they are; only a target whose port changed is replaced.
    """
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
    elbv2 = boto3.client("elbv2", config=config)
    vpc, subnets = _default_network(config)
    groups = {
        name: _target_group(elbv2, name, port, vpc)
        for name, port in (
            ("shop-blue", blue_port),
            ("shop-green", green_port),
            ("api-blue", blue_port),
            ("api-green", green_port),
        )
    }
    names = {
        balancer: _load_balancer(elbv2, balancer, subnets, groups[first])
        for balancer, first in (("shop", "shop-blue"), ("api-blue", "api-blue"), ("api-green", "api-green"))
    }
    route53 = boto3.client("route53", config=config)
    _records(route53, _zone(route53), names)


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


def _load_balancer(elbv2: ElasticLoadBalancingv2Client, name: str, subnets: list[str], group: str) -> str:
    known = {balancer["LoadBalancerName"]: balancer for balancer in elbv2.describe_load_balancers()["LoadBalancers"]}
    balancer = known.get(name)
    if balancer is None:
        balancer = elbv2.create_load_balancer(Name=name, Subnets=subnets, Type="application")["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    if not elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
        elbv2.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
    return balancer["DNSName"]


def _zone(route53: Route53Client) -> str:
    for zone in route53.list_hosted_zones()["HostedZones"]:
        if zone["Name"] == ZONE:
            return zone["Id"]
    return route53.create_hosted_zone(Name=ZONE, CallerReference="local-world")["HostedZone"]["Id"]


def _records(route53: Route53Client, zone: str, names: dict[str, str]) -> None:
    wanted: list[dict[str, Any]] = [
        {"Name": f"shop.{ZONE}", "ResourceRecords": [{"Value": names["shop"]}]},
        {
            "Name": f"api.{ZONE}",
            "SetIdentifier": "blue",
            "Weight": 100,
            "ResourceRecords": [{"Value": names["api-blue"]}],
        },
        {
            "Name": f"api.{ZONE}",
            "SetIdentifier": "green",
            "Weight": 0,
            "ResourceRecords": [{"Value": names["api-green"]}],
        },
    ]
    existing = {record["Name"] for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]}
    changes: list[Any] = [
        {"Action": "CREATE", "ResourceRecordSet": {"Type": "CNAME", "TTL": TTL, **record}}
        for record in wanted
        if record["Name"] not in existing
    ]
    if changes:
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
