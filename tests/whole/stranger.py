"""AWS as somebody else sees and changes it: past the engine, with nothing but boto3."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import boto3


class Stranger:
    """Reads and changes weights and records of the world."""

    @abstractmethod
    def world_variables(self) -> dict[str, str]:
        """What the world exports."""

    def client(self, service: str) -> Any:
        known = self.world_variables()
        connect: Any = boto3.client  # typed for every service by name, and this takes any
        return connect(
            service,
            region_name="us-east-1",
            endpoint_url=known["AWS_ENDPOINT_URL"],
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def records(self) -> list[dict[str, Any]]:
        route53 = self.client("route53")
        zone = route53.list_hosted_zones()["HostedZones"][0]["Id"]
        found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return [record for record in found if record["Name"] == "api.shop.test."]

    def put_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        route53 = self.client("route53")
        zone = route53.list_hosted_zones()["HostedZones"][0]["Id"]
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def listener(self, balancer: str = "shop") -> dict[str, Any]:
        elb = self.client("elbv2")
        arn = elb.describe_load_balancers(Names=[balancer])["LoadBalancers"][0]["LoadBalancerArn"]
        found: dict[str, Any] = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]
        return found

    def weights(self) -> dict[str, int]:
        """The listener's weights by target group name."""
        groups = self.listener()["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        return {g["TargetGroupArn"].split("/")[1]: int(g.get("Weight", 1)) for g in groups}

    def put_weights(self, wanted: Mapping[str, int]) -> None:
        listener = self.listener()
        action = json.loads(json.dumps(listener["DefaultActions"][0], default=str))
        for group in action["ForwardConfig"]["TargetGroups"]:
            group["Weight"] = wanted[group["TargetGroupArn"].split("/")[1]]
        self.client("elbv2").modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[action])
