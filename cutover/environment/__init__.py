"""environments/*.yaml → frozen models; all problems at once, with file and line."""

from cutover.environment.clients import ClientCname, MultiHost, PgBouncer, Ttl
from cutover.environment.comparing import Validation
from cutover.environment.databases import Database, Fence
from cutover.environment.loading import load, parse
from cutover.environment.models import (
    AlbCarrier,
    Aws,
    Bake,
    ChecklistItem,
    Dns,
    Environment,
    Hostname,
    Limits,
    Maintenance,
    Owners,
    Rollback,
    Route53Carrier,
    Shift,
    Smoke,
    Window,
    World,
)
from cutover.environment.reference import Fetch, Ref
from cutover.environment.schema import json_schema, schema_text
from cutover.environment.source import names
from cutover.environment.template import template

__all__ = [
    "AlbCarrier",
    "Aws",
    "Bake",
    "ChecklistItem",
    "ClientCname",
    "Database",
    "Dns",
    "Environment",
    "Fence",
    "Fetch",
    "Hostname",
    "Limits",
    "Maintenance",
    "MultiHost",
    "Owners",
    "PgBouncer",
    "Ref",
    "Rollback",
    "Route53Carrier",
    "Shift",
    "Smoke",
    "Ttl",
    "Validation",
    "Window",
    "World",
    "json_schema",
    "load",
    "names",
    "parse",
    "schema_text",
    "template",
]
