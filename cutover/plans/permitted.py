"""What a plan may ask of AWS, gathered from its steps and checks; by role, since most people need not change anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import MethodType
from typing import TypeGuard, TypeVar

from cutover.aws import cost, metric_source
from cutover.aws.log_tail import log_permissions
from cutover.aws.notice import SNS
from cutover.aws.permission import IDENTITY, Permission, Permitted
from cutover.aws.secret import fetched
from cutover.core.gate import Gate
from cutover.core.plan import Plan
from cutover.environment import Environment, Ref
from cutover.environment.section import Section

T = TypeVar("T")

MEASURED = {"cloudwatch": metric_source.PERMISSIONS, "cost-explorer": cost.PERMISSIONS}
ROLES = ("plan", "cutover", "rollback", "decommission")


def role_permissions(
    role: str, environment: Environment, plan: Plan, finish: Plan, decommission: Plan
) -> frozenset[Permission]:
    """What `role` needs: `plan` looks, `cutover` does everything up to `finish`, `rollback` takes back, `decommission` ends blue."""
    ways: Mapping[str, tuple[Plan, ...]] = {
        "plan": (plan, finish, decommission),
        "cutover": (plan, finish),
        "rollback": (plan.inverse([item.name for _, item in plan.walk()], everything=True),),
        "decommission": (decommission,),
    }
    found = {permission for way in ways[role] for permission in plan_permissions(way)}
    found |= {fetched(ref.kind, ref.name) for ref in references(environment) if ref.kind in ("ssm", "secretsmanager")}
    for source in environment.metrics.sources.values():
        found |= set(MEASURED.get(source.kind, ()))
    found |= {
        Permission(SNS, "Publish", one.topic) for one in environment.notify.channels.values() if one.kind == "sns"
    }
    logs = [one.name for one in environment.incidents.logs.values() if one.kind == "log-group"]
    found |= {permission for name in logs for permission in log_permissions(name)}
    if environment.aws.account is not None:
        found.add(IDENTITY)
    return frozenset(one for one in found if one.reads or role != "plan")


def plan_permissions(plan: Plan) -> Iterator[Permission]:
    """Every call that the plan's steps, gates and guards may make."""
    for _, item in plan.walk():
        yield from permissions_of(item)
    for guard in plan.guards:
        yield from permissions_of(guard.check)


def permissions_of(thing: object) -> Iterator[Permission]:
    """What a thing says itself, else what is said by the parts that it was made of."""
    for one in outermost(_is_permitted, thing):
        yield from one.permissions()


def outermost(
    wanted: Callable[[object], TypeGuard[T]], thing: object, _seen: frozenset[int] = frozenset()
) -> Iterator[T]:
    """The thing itself where it is wanted, else those of the parts that it was made of."""
    if id(thing) in _seen or isinstance(thing, type):
        return
    if wanted(thing):
        yield thing
        return
    for part in _parts(thing):
        yield from outermost(wanted, part, _seen | {id(thing)})


def _is_permitted(thing: object) -> TypeGuard[Permitted]:
    # As isinstance with the protocol, which is asked thousands of times and takes long before Python 3.12.
    return hasattr(type(thing), "permissions")


def _parts(thing: object) -> Iterable[object]:
    if isinstance(thing, Gate):
        return [thing.check, thing.on_rollback]
    if is_dataclass(thing):
        return [getattr(thing, field.name) for field in fields(thing)]
    if isinstance(thing, Mapping):
        return list(thing.values())
    if isinstance(thing, tuple | list | set | frozenset):
        return list(thing)
    if isinstance(thing, MethodType):
        return [thing.__self__]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    return []


def references(words: object) -> Iterator[Ref]:
    """Every reference to a value that does not stand in the environment file."""
    if isinstance(words, Ref):
        yield words
    elif isinstance(words, Mapping):
        for value in words.values():
            yield from references(value)
    elif isinstance(words, tuple | list):
        for value in words:
            yield from references(value)
    elif isinstance(words, Section):
        for name in type(words).model_fields:
            yield from references(getattr(words, name))
