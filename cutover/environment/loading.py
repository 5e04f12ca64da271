"""environments/NAME.yaml → Environment, or everything that is wrong with it at once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cutover.core.errors import ConfigurationRefused
from cutover.environment.carriers import KINDS
from cutover.environment.checklist import ChecklistItem
from cutover.environment.contradictions import contradictions
from cutover.environment.document import Document, Unreadable, read
from cutover.environment.ending import RESOURCE_KINDS
from cutover.environment.measured import METRIC_KINDS
from cutover.environment.models import Environment
from cutover.environment.notify import CHANNEL_KINDS
from cutover.environment.plain_data import with_line
from cutover.environment.problem import Loc, Problem, did_you_mean, dotted
from cutover.environment.source import find
from cutover.environment.workers import RUNS_ON

MOST_SHOWN = 200

_TAGS = {
    "backup": ("dump", "rds-snapshot"),
    "carrier": KINDS,
    "clients": ("multi-host", "pgbouncer", "dns"),
    "resources": RESOURCE_KINDS,
    "runs_on": RUNS_ON,
}
_TAGS_BY_NAME = {"sources": METRIC_KINDS, "channels": CHANNEL_KINDS}  # kinds of what stands there under names
_SECRET = re.compile(r"://[^/\s@]*:[^@\s]*@|\bpassword\s*=\s*\S|\b(AKIA|ASIA)[A-Z0-9]{16}\b", re.IGNORECASE)


def load(name: str, directory: Path = Path("environments")) -> Environment:
    """The environment `name`; raises ConfigurationRefused with every problem as `file:line: path: reason`."""
    source = find(name, directory)
    environment = parse(source.text, name=name, file=source.file)
    if environment.protected and source.anyone_may_write:
        problem = Problem(1, "", "is protected, and everybody on this machine may write it; `chmod o-w` it")
        raise ConfigurationRefused([problem.render(source.file)])
    return environment


def parse(text: str, *, name: str, file: str) -> Environment:
    """The environment in `text`, which must call itself `name`; `file` is only for messages. Raises like `load`."""
    try:
        document = read(text)
    except Unreadable as error:
        raise _refused(error.problems, file) from None
    environment: Environment | None = None
    problems = [*document.problems, *_across(document, name)]
    try:
        environment = Environment.model_validate(document.data())
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [_explain(detail, document) for detail in details if detail["loc"]]
        # What the model says of itself as a whole has been said above with its place, unless the two ever disagree.
        problems = problems or [_explain(detail, document) for detail in details]
    problems += _written_out(document, known={p.path for p in problems})
    if problems or environment is None:
        raise _refused(problems, file)
    return environment


def _refused(problems: list[Problem], file: str) -> ConfigurationRefused:
    found = sorted(set(problems))
    lines = [p.render(file) for p in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        lines.append(Problem(found[MOST_SHOWN].line, "", f"… and {len(found) - MOST_SHOWN} more").render(file))
    return ConfigurationRefused(lines)


def _across(document: Document, name: str) -> Iterator[Problem]:
    data = document.data()
    written = data.get("name")
    if isinstance(written, str) and written != name:
        yield Problem(document.follow(("name",))[0], "name", f"must be the file's own name, {name}")
    if "world" in data and data["world"] is None:
        yield Problem(document.follow(("world",))[0], "world", "has no value: write `world: {}`, or remove the line")
    for found in contradictions(data):
        line, _ = document.follow(found.loc)
        other = document.follow(found.other)[0] if found.other else 0
        yield Problem(line, dotted(found.loc), with_line(found, other))


def _written_out(document: Document, known: set[str]) -> Iterator[Problem]:
    """Passwords and keys at any place, also where some text would be right."""
    for loc, scalar in document.scalars():
        if _SECRET.search(scalar.text) and dotted(loc) not in known:
            reason = "holds a password or an access key; write a reference to it: env:NAME, file:PATH, ssm:NAME"
            yield Problem(scalar.line, dotted(loc), reason)


def _explain(detail: ErrorDetails, document: Document) -> Problem:
    """pydantic's error in our words; its own message and its input stay out."""
    loc = _without_tags(detail["loc"])
    line, path = document.follow(loc)
    if detail["type"] in ("missing", "extra_forbidden"):
        path = (*document.follow(loc[:-1])[1], loc[-1])
    return Problem(line, dotted(path), _reason(detail, loc))


def _reason(detail: ErrorDetails, loc: Loc) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "wrong":
            return str(context["reason"])
        case "missing":
            return "is missing"
        case "extra_forbidden" if loc[-1] == "<<":
            return "merge keys are not read; write the keys out"
        case "extra_forbidden":
            return "unknown key" + did_you_mean(str(loc[-1]), _known_keys(detail["loc"]))
        case "literal_error" | "union_tag_invalid":
            known = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags")))
            written = context.get("tag", detail["input"])
            near = did_you_mean(written, known) if isinstance(written, str) else ""
            return f"{'kind ' if 'tag' in context else ''}must be one of {', '.join(known)}{near}"
        case "union_tag_not_found":
            return f"needs a kind: {' or '.join(_tags(loc))}"
        case "tuple_type":
            return "wants a list"
        case "too_short":
            return f"needs at least {context['min_length']}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return "wants keys and values below it"
        case _:
            return "is not what belongs here"


def _without_tags(loc: Loc) -> Loc:
    """`loc` as it is in the file: pydantic adds which member of a union it tried, and marks a dict's key."""
    parts = [p for at, p in enumerate(loc) if p not in _tags(loc[:at])]
    return tuple(p for p in parts if p != "[key]")


def _tags(loc: Loc) -> tuple[str, ...]:
    """The kinds that what stands at `loc` may have."""
    return (
        _TAGS_BY_NAME.get(_named(loc[:-1]), ())
        if len(loc) > 1 and _named(loc[:-1]) in _TAGS_BY_NAME
        else (_TAGS.get(_named(loc), ()))
    )


def _named(loc: Loc) -> str:
    """The key that `loc` ends at; an entry of a list has the list's."""
    return next((str(part) for part in reversed(loc) if not isinstance(part, int)), "")


def _known_keys(loc: Loc) -> list[str]:
    """The keys that the models know at the place of `loc`'s last part."""
    models: list[type[BaseModel]] = [Environment]
    for part in loc[:-1]:
        fields = [_keys(model)[str(part)] for model in models if part in _keys(model)]
        tagged = [m for m in models if "kind" in m.model_fields and part in get_args(m.model_fields["kind"].annotation)]
        models = [m for f in fields for m in _models_in(f.annotation)] or tagged or models
    return [key for model in models for key in _keys(model) if (model, key) != (ChecklistItem, "name")]


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by their keys in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
