"""Shortens how long resolvers keep the world's records, so that a run has less to wait for."""

from __future__ import annotations

from typing import Any

import boto3


def shorten(endpoint: str, seconds: int) -> None:
    """Gives every record that has a weight this TTL."""
    connect: Any = boto3.client  # typed for every service by name, and this takes any
    route53 = connect(
        "route53",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    for zone in route53.list_hosted_zones()["HostedZones"]:
        records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        changed = [{**record, "TTL": seconds} for record in records if "Weight" in record and "TTL" in record]
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in changed]
        if changes:
            route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
