"""An environment's triggers as CloudWatch alarms: each as a step, or named with the reason why it is none."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from cutover.app import App
from cutover.aws.alarm import AlarmKept, alarms_found, ordered
from cutover.aws.kept_document import EARLIER, KEPT, NONE, KeptDocument
from cutover.aws.metric_query import MetricQuery, Unclear
from cutover.aws.metric_source import GLOBAL
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.plain import digest
from cutover.core.step import Step
from cutover.environment import CloudWatchSource, Environment
from cutover.environment.notify import SnsChannel
from cutover.metrics.alert_rules import Unsaid
from cutover.metrics.alertmanager import SEVERITIES
from cutover.metrics.metric_math import MetricMath, Unsayable, series
from cutover.metrics.rule import Rule
from cutover.plans.triggered import triggers

WRONG = "wrong"
MOST_METRICS = (
    10  # of an alarm on metric math (CloudWatch user guide, "Create an alarm based on a metric math expression")
)
LONGEST_EXPRESSION, LONGEST_DESCRIPTION = 2048, 1024  # CloudWatch API, MetricDataQuery and PutMetricAlarm
DEADLINE = 30.0


K = TypeVar("K", bound=KeptDocument)


@dataclass
class Alarms:
    """The alarms of one environment by trigger, and what could not be said."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    unsaid: list[Unsaid] = field(default_factory=list)
    approximate: list[Unsaid] = field(default_factory=list)
    silent: list[Unsaid] = field(default_factory=list)

    def written(self) -> str:
        """All of them as JSON, the same bytes for the same triggers."""
        return json.dumps(list(self.documents.values()), indent=2, sort_keys=True) + "\n"


def alarms_of(environment: Environment, rules: Sequence[Rule], baselines: Mapping[str, float], region: str) -> Alarms:
    """The alarms of these rules; nothing is asked, and load balancers and target groups stand by their names."""
    found = Alarms()
    for rule in rules:
        try:
            document, place = _alarm(environment, rule, baselines, region)
        except (Unsayable, Unclear) as reason:
            found.unsaid.append(Unsaid(rule.name, str(reason)))
            continue
        topics, elsewhere = _topics(environment, rule, place)
        if topics:
            document["AlarmActions"] = document["OKActions"] = topics
        else:
            where = f": the topic of {', '.join(elsewhere)} is in another region" if elsewhere else ""
            found.silent.append(Unsaid(rule.name, f"no channel of kind sns is told of it{where}"))
        if enough := rule.condition.enough:
            found.approximate.append(Unsaid(rule.name, f"{enough} is asked of each period in proportion"))
        document["AlarmDescription"] += f" {_mark(environment.name)} {digest(document)[:12]})"
        found.documents[rule.name], found.regions[rule.name] = ordered(document), place
    return found


def all_alarms(app: App, baselines: Mapping[str, float]) -> Alarms:
    """Every alarm of an environment."""
    return alarms_of(app.environment, triggers(app.means), baselines, app.means.aws.region)


def steps(app: App, found: Alarms, *, remove: bool = False) -> tuple[tuple[AlarmKept, ...], tuple[Unsaid, ...]]:
    """Each alarm as a step from what is there now, and those that are left alone; asks AWS, and changes nothing.

    An alarm of ours that no trigger stands behind any more is only named, and goes with `remove`.
    """
    made, left = [], []
    for region in dict.fromkeys((app.means.aws.region, *found.regions.values())):
        aws = app.means.aws if region == app.means.aws.region else replace(app.means.aws, region=region)
        there = {one["AlarmName"]: one for one in alarms_found(aws, alarm_prefix(app.environment.name), _deadline())}
        for trigger, document in found.documents.items():
            if found.regions[trigger] != region:
                continue
            alarm = there.pop(document["AlarmName"], None)
            if alarm is not None and not _ours(app, alarm):
                left.append(Unsaid(trigger, f"the alarm {document['AlarmName']} in {region} is not ours, and stays"))
            else:
                made.append(_step(aws, trigger, document, alarm, remove=remove))
        for name, alarm in there.items():
            trigger = name.removeprefix(alarm_prefix(app.environment.name))
            if not _ours(app, alarm):
                continue
            if remove:
                made.append(_step(aws, trigger, alarm, alarm, remove=True))
            else:
                left.append(Unsaid(trigger, f"the alarm {name} in {region} has no trigger that says it, and stays"))
    return tuple(made), tuple(left)


def _ours(app: App, alarm: Mapping[str, Any]) -> bool:
    return _mark(app.environment.name) in alarm.get("AlarmDescription", "")


def _deadline() -> Deadline:
    return Deadline.after(DEADLINE)


def alarm_prefix(environment: str) -> str:
    """How the names of an environment's alarms begin."""
    return f"cutover-{environment}-"


def _step(aws: Aws, trigger: str, document: dict[str, Any], there: dict[str, Any] | None, *, remove: bool) -> AlarmKept:
    step = AlarmKept(name=f"alarm-{trigger}", aws=aws, document=json.dumps(document))
    return from_there(step, there, remove=remove)


def from_there(step: K, there: Any, *, remove: bool) -> K:
    """The step from what is there now: to what the environment says, or away with it."""
    if remove:
        # What is there is what goes, whatever the environment says by now, and whether its names still stand for something.
        document = step.document if there is None else json.dumps(there)
        return replace(step, name=f"{step.name}-undo", document=document, before=KEPT, after=NONE)
    if there is not None and step.observe() != KEPT:
        return replace(step, earlier=json.dumps(there), before=EARLIER)
    return step


def taken(step: Step[str], dry: bool) -> str:
    """Takes one step unless it stands at its end, and says what was done; reads back what was written."""
    seen = step.observe()
    if seen == step.after:
        return f"= {seen}"
    if dry:
        return f"~ {seen} → {step.after}"
    deadline = _deadline()
    for command in step.commands(step.after):
        command.run(deadline)
    back = step.observe()
    return f"✓ {seen} → {back}" if back == step.after else f"✗ {seen} → {back}, wanted {step.after}"


def _mark(environment: str) -> str:
    """By which an alarm is known as ours."""
    return f"(invoke alerts --env {environment},"


def _alarm(
    environment: Environment, rule: Rule, baselines: Mapping[str, float], region: str
) -> tuple[dict[str, Any], str]:
    """The alarm without its actions, and its region; raises Unsayable, Unclear."""
    math = MetricMath(rule.condition, baselines)
    queries, places = [], set()
    for name, side in dict.fromkeys((one.name, one.side) for one in rule.condition.spans(0.0)):
        source = environment.metrics.sources[environment.metrics.figures[name].source]
        if not isinstance(source, CloudWatchSource):
            raise Unsayable(f"{name} on {side} does not come from CloudWatch but from {source.kind}")
        query = MetricQuery.parse(environment.metrics.query(name, side))
        places |= {GLOBAL.get(line.namespace, source.region or region) for line in query.lines}
        queries += list(_queries(query, series(name, side), math.period))
    if len(places) > 1:
        raise Unsayable(f"an alarm looks at one region, not at {', '.join(sorted(places))}")
    expression = math.expression()
    if sum("MetricStat" in one for one in queries) > MOST_METRICS or len(expression) > LONGEST_EXPRESSION:
        raise Unsayable(f"it needs more than the {MOST_METRICS} metrics, or {LONGEST_EXPRESSION} letters, of an alarm")
    queries.append({"Id": WRONG, "Expression": expression, "ReturnData": True})
    words = f"{rule.words()} runbooks/{environment.name}/ROLLBACK-RUNBOOK.md"
    document = {
        "AlarmName": alarm_prefix(environment.name) + rule.name,
        "AlarmDescription": words[: LONGEST_DESCRIPTION - 80],
        "ActionsEnabled": True,
        "Metrics": queries,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "EvaluationPeriods": math.periods,
        "DatapointsToAlarm": math.periods,
        # Without data it is neither well nor wrong: INSUFFICIENT_DATA, as the program's own verdict.
        "TreatMissingData": "missing",
    }
    return document, places.pop()


def _queries(query: MetricQuery, name: str, period: int) -> Iterator[dict[str, Any]]:
    """The queries of one figure, whose ids are its own, and the one that answers called `name`."""
    alone = query.result in {line.id for line in query.lines}

    def own(id_: str) -> str:
        return name if alone and id_ == query.result else f"{name}_{id_}"

    for one in query.request(period, lambda _, text: text):
        if "MetricStat" in one:
            yield {**one, "Id": own(one["Id"]), "ReturnData": False}
        else:
            yield {"Id": name, "Expression": query.renamed(own), "ReturnData": False}


def _topics(environment: Environment, rule: Rule, region: str) -> tuple[list[str], list[str]]:
    """The topics in that region that are told of the rule, and the channels whose topic is in another one."""
    words = environment.notify
    names: Sequence[str] = rule.channels
    if not names:
        least = {"detail": 0, "none": len(SEVERITIES)}
        urgent = SEVERITIES.index(rule.severity)
        routed = [
            name
            for route in words.routes
            if urgent >= (least[route.least] if route.least in least else SEVERITIES.index(route.least))
            for name in route.to
        ]
        names = routed if words.routes else list(words.channels)
    topics = {name: channel.topic for name in names if isinstance(channel := words.channels[name], SnsChannel)}
    here = {name: topic for name, topic in topics.items() if topic.split(":")[3] == region}
    return sorted(set(here.values())), [name for name in topics if name not in here]
