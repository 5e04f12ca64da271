"""environments/*.yaml → frozen models; all problems at once, with file and line."""

from cutover.environment.approvals import Approval
from cutover.environment.carriers import (
    AlbCarrier,
    Carrier,
    CloudFormationCarrier,
    CloudFrontCarrier,
    FileCarrier,
    FlagCarrier,
    LambdaCarrier,
    Migration,
    Route53Carrier,
    SsmCarrier,
)
from cutover.environment.checklist import ChecklistItem
from cutover.environment.checkpoints import Checkpoints
from cutover.environment.clients import ClientCname, MultiHost, PgBouncer, Ttl
from cutover.environment.compared_to_blue import Comparison
from cutover.environment.comparing import Validation
from cutover.environment.console import Console
from cutover.environment.databases import Database, Fence
from cutover.environment.ending import (
    Decommission,
    DumpBackup,
    InstanceResource,
    LoadBalancerResource,
    SnapshotBackup,
    TargetGroupResource,
)
from cutover.environment.evidence import AccessLogs, Evidence, Observed, Tag
from cutover.environment.flags import FlagCriteria, RoutedFlag
from cutover.environment.incidents import FileOfLog, GroupOfLogs, Incidents
from cutover.environment.loading import load, parse
from cutover.environment.measured import (
    CloudWatchSource,
    CommandSource,
    CostExplorerSource,
    Figure,
    JsonLinesSource,
    Metrics,
    PostgresSource,
    ProbeSource,
    PrometheusSource,
    RedisSource,
)
from cutover.environment.models import (
    Aws,
    Bake,
    Dns,
    Environment,
    Hostname,
    Limits,
    Maintenance,
    Owners,
    Rollback,
    Shift,
    Smoke,
    Window,
    World,
)
from cutover.environment.notify import Notify
from cutover.environment.own_steps import OwnStep
from cutover.environment.reference import Fetch, Ref, secret_variables
from cutover.environment.rehearsal import Rehearsal
from cutover.environment.schema import json_schema, schema_text
from cutover.environment.source import names
from cutover.environment.template import template
from cutover.environment.triggers import Trigger, Zone, rules
from cutover.environment.workers import AutoScalingGroup, EcsService, EventSource, Schedule, Setting, Worker

__all__ = [
    "AccessLogs",
    "AlbCarrier",
    "Approval",
    "AutoScalingGroup",
    "Aws",
    "Bake",
    "Carrier",
    "ChecklistItem",
    "Checkpoints",
    "ClientCname",
    "CloudFormationCarrier",
    "CloudFrontCarrier",
    "CloudWatchSource",
    "CommandSource",
    "Comparison",
    "Console",
    "CostExplorerSource",
    "Database",
    "Decommission",
    "Dns",
    "DumpBackup",
    "EcsService",
    "Environment",
    "EventSource",
    "Evidence",
    "Fence",
    "Fetch",
    "Figure",
    "FileCarrier",
    "FileOfLog",
    "FlagCarrier",
    "FlagCriteria",
    "GroupOfLogs",
    "Hostname",
    "Incidents",
    "InstanceResource",
    "JsonLinesSource",
    "LambdaCarrier",
    "Limits",
    "LoadBalancerResource",
    "Maintenance",
    "Metrics",
    "Migration",
    "MultiHost",
    "Notify",
    "Observed",
    "OwnStep",
    "Owners",
    "PgBouncer",
    "PostgresSource",
    "ProbeSource",
    "PrometheusSource",
    "RedisSource",
    "Ref",
    "Rehearsal",
    "Rollback",
    "Route53Carrier",
    "RoutedFlag",
    "Schedule",
    "Setting",
    "Shift",
    "Smoke",
    "SnapshotBackup",
    "SsmCarrier",
    "Tag",
    "TargetGroupResource",
    "Trigger",
    "Ttl",
    "Validation",
    "Window",
    "Worker",
    "World",
    "Zone",
    "json_schema",
    "load",
    "names",
    "parse",
    "rules",
    "schema_text",
    "secret_variables",
    "template",
]
