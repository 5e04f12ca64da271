"""An environment with every carrier that is no load balancer, every kind of worker, configuration and own steps."""

from pathlib import Path

from lambda_versions import ALIAS, FUNCTION
from local_aws import Endpoint
from worker_services import AutoScaling, Ecs, EventSource, Schedule, Service

TEXT = """\
name: work
description: An application with background work
aws: {{region: us-east-1}}
owners: {{decision: a, database: b, traffic: c, application: d}}
database: {{name: shop, blue: env:BLUE_DSN, green: env:GREEN_DSN}}
window: {{budget: 180s}}
shift: {{shares: [10, 100], soak: 1s}}
hostnames:
  hooks:
    host: hooks.example.com
    carrier: {{kind: lambda, function: {function}, alias: {alias}, blue: 1, green: 2}}
  app:
    host: app.example.com
    carrier: {{kind: ssm, parameter: /work/share, key: green_percent, reported: [env:APP_FLAGS]}}
  admin:
    host: admin.example.com
    carrier: {{kind: file, file: {place}/flags.json, key: green_percent}}
workers:
  mails: {{side: blue, runs_on: {{kind: ecs, cluster: shop, service: mails, count: 2}}, log_group: /ecs/mails}}
  images: {{side: blue, runs_on: {{kind: autoscaling, group: mails, count: 2, min_size: 1}}, log_group: /nowhere}}
  orders: {{side: green, runs_on: {{kind: event-source, uuid: {uuid}}}}}
  bills: {{side: green, runs_on: {{kind: schedule, rule: nightly-bill}}}}
configuration:
  sender: {{parameter: /work/sender, blue: "mail blue's", green: env:GREEN_SENDER}}
  token: {{parameter: /work/token, blue: env:BLUE_TOKEN, green: "ssm:/work/green-token"}}
steps:
  banner:
    phase: window-before
    timeout: 20s
    before: none
    after: shown
    observe: cat {place}/banner
    to: |
      [ "$TOKEN" = green-token ]
      echo shown > {place}/banner
    back: echo none > {place}/banner
    variables: {{TOKEN: "ssm:/work/green-token"}}
    why: Visitors are told before writes wait.
  cache:
    phase: window-after
    timeout: 20s
    before: cold
    after: warm
    observe: cat {place}/cache
    observe_is_safe: true
    to: echo warm > {place}/cache
    back: echo cold > {place}/cache
    why: Green's first visitor shall not wait for an empty cache.
"""

VARIABLES = {"GREEN_SENDER": "mail-green", "BLUE_TOKEN": "blue-token"}


class Work:
    """The resources of that environment on the local endpoint, as before a cutover."""

    def __init__(self, endpoint: Endpoint, place: Path) -> None:
        self.services: dict[str, Service] = {
            "mails": Ecs(endpoint),
            "images": AutoScaling(endpoint),
            "orders": EventSource(endpoint),
            "bills": Schedule(endpoint),
        }
        self.place, self.ask = place, self.services["mails"].ask
        source = self.services["orders"]
        assert isinstance(source, EventSource)
        (place / "environments").mkdir()
        text = TEXT.format(place=place, function=FUNCTION, alias=ALIAS, uuid=source.uuid)
        (place / "environments" / "work.yaml").write_text(text)
        for name, service in self.services.items():
            service.put(run=name in ("mails", "images"))
        self.ask("lambda", "UpdateAlias", FunctionName=FUNCTION, Name=ALIAS, FunctionVersion="1", RoutingConfig={})
        self.put("/work/share", '{"green_percent": 0}')
        self.put("/work/sender", "mail blue's")
        self.put("/work/token", "blue-token", kind="SecureString")
        self.put("/work/green-token", "green-token", kind="SecureString")
        (place / "flags.json").write_text('{"green_percent": 0}\n')
        (place / "banner").write_text("none\n")
        (place / "cache").write_text("cold\n")
        if "/ecs/mails" not in {one["logGroupName"] for one in self.ask("logs", "DescribeLogGroups")["logGroups"]}:
            self.ask("logs", "CreateLogGroup", logGroupName="/ecs/mails")
            self.ask("logs", "CreateLogStream", logGroupName="/ecs/mails", logStreamName="one")

    def put(self, parameter: str, value: str, kind: str = "String") -> None:
        self.ask("ssm", "PutParameter", Name=parameter, Value=value, Type=kind, Overwrite=True)
