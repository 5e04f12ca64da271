"""YAML text → a tree that knows its lines; bounded before anything is built, and no surprises.

Read from the events of PyYAML's pure parser: its own constructors turn NO into False, 0755 into 493 and 12:30 into 750,
let the last of two equal keys win, and the C parser crashes the process on deep nesting.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from cutover.environment.problem import Loc, Problem, dotted

MAX_DEPTH = 30
MAX_ANCHORS = 100
MAX_VALUES = 10_000

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Unquoted(str):
    """A scalar as it was written without quotes; what it means is decided by the field that it is for."""


class Unreadable(Exception):
    """The text is not a document that can be checked further; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems


@dataclass(frozen=True)
class Scalar:
    line: int
    text: str
    quoted: bool
    size: int = 1
    height: int = 1


@dataclass(frozen=True)
class Items:
    line: int
    items: tuple["Node", ...]
    size: int
    height: int


@dataclass(frozen=True)
class Keys:
    line: int
    entries: Mapping[str, tuple[int, "Node"]]
    """Key → line of the key, value."""
    size: int
    height: int


Node = Scalar | Items | Keys


@dataclass(frozen=True)
class Document:
    """A whole file: a root of keys, and the problems that did not stop the reading."""

    root: Keys
    problems: tuple[Problem, ...]

    def data(self) -> dict[str, object]:
        """The tree as dicts, lists, None, `str` (quoted) and `Unquoted`."""
        return {key: _data(node) for key, (_, node) in self.root.entries.items()}

    def follow(self, loc: Loc) -> tuple[int, Loc]:
        """The line of `loc`, or of its nearest parent, and `loc` without what lies inside a scalar.

        A number under keys means the n-th key: lists that the models build from keys are found again that way.
        """
        node: Node = self.root
        line, path = 1, list[str | int]()
        for part in loc:
            if isinstance(node, Keys):
                if isinstance(part, int):
                    part = list(node.entries)[part]
                path.append(part)
                if part not in node.entries:
                    break
                line, node = node.entries[part]
            elif isinstance(node, Items) and isinstance(part, int):
                path.append(part)
                node = node.items[part]
                line = node.line
            else:
                break
        return line, tuple(path)

    def scalars(self) -> Iterator[tuple[Loc, Scalar]]:
        """Every scalar with its place, top to bottom."""
        return _scalars((), self.root)


def read(text: str) -> Document:
    """The one document in `text`; raises `Unreadable`."""
    reader = _Reader(yaml.parse(text, yaml.SafeLoader))
    try:
        return reader.document()
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        raise Unreadable([Problem(before.count("\n") + 1, "", "holds a character that YAML does not allow")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable([Problem(mark.line + 1 if mark else 1, "", _without_input(error.problem))]) from None
    except (yaml.YAMLError, ValueError, OverflowError):  # PyYAML lets int() and chr() raise through
        raise Unreadable([Problem(reader.line, "", "is not readable as YAML from here on")]) from None


@dataclass
class _Reader:
    events: Iterator[yaml.Event]
    line: int = 1
    """Of the last event."""
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)
    """None while the anchored value is still being read."""
    marks: int = 0
    values: int = 0

    def document(self) -> Document:
        self._next()  # start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise Unreadable([Problem(1, "", "is empty")])
        root = self._node(self._next(), (), 1)
        self._next()  # end of the document
        following = self._next()
        if not isinstance(following, yaml.StreamEndEvent):
            self._stop(following, (), "a second document starts here; one file is one environment")
        if not isinstance(root, Keys):
            empty = isinstance(root, Scalar) and not root.quoted and root.text in _NULLS
            reason = "is empty" if empty else "must be keys and values, such as `name: local`"
            raise Unreadable([*self.problems, Problem(root.line, "", reason)])
        return Document(root, tuple(self.problems))

    def _node(self, event: yaml.Event, loc: Loc, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._stop(event, (), f"is nested more than {MAX_DEPTH} deep")
        self.values += 1
        if self.values > MAX_VALUES:
            self._stop(event, (), f"holds more than {MAX_VALUES} values")
        if isinstance(event, yaml.AliasEvent):
            node = self._alias(event, loc)
        else:
            anchor = event.anchor if isinstance(event, yaml.NodeEvent) else None
            if anchor is not None:
                self._count_mark(event)
                self.anchors[anchor] = None
            if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
                self._note(event, loc, "has a tag (`!…`); tags are not read")
            node = self._value(event, loc, depth)
            if anchor is not None:
                self.anchors[anchor] = node
        if node.size > MAX_VALUES:
            self._stop(event, (), f"holds more than {MAX_VALUES} values")
        if depth + node.height - 1 > MAX_DEPTH:
            self._stop(event, (), f"is nested more than {MAX_DEPTH} deep")
        return node

    def _value(self, event: yaml.Event, loc: Loc, depth: int) -> Node:
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(line, event.value, quoted=event.style is not None)
        children: list[Node] = []
        if isinstance(event, yaml.SequenceStartEvent):
            while not isinstance(inner := self._next(), yaml.SequenceEndEvent):
                children.append(self._node(inner, (*loc, len(children)), depth + 1))
            return Items(line, tuple(children), *_extent(children))
        entries: dict[str, tuple[int, Node]] = {}
        while not isinstance(inner := self._next(), yaml.MappingEndEvent):
            key = self._key(inner, loc, depth)
            node = self._node(self._next(), (*loc, key or "?"), depth + 1)
            children.append(node)
            key_line = _line(inner)
            if key is None:
                continue
            if key in entries:
                self._note(inner, (*loc, key), f"is given twice; the first one is on line {entries[key][0]}")
            else:
                entries[key] = (key_line, node)
        return Keys(line, entries, *_extent(children))

    def _key(self, event: yaml.Event, loc: Loc, depth: int) -> str | None:
        if isinstance(event, yaml.ScalarEvent):
            if event.tag is not None:
                self._note(event, loc, "has a tag (`!…`) on a key; tags are not read")
            if event.anchor is not None:
                self._note(event, loc, "has an anchor on a key; keys are plain words")
            if event.value not in _NULLS or event.style is not None:
                return str(event.value)
        else:
            self._node(event, loc, depth + 1)
        self._note(event, loc, "has a key that is not a plain word")
        return None

    def _alias(self, event: yaml.AliasEvent, loc: Loc) -> Node:
        self._count_mark(event)
        if event.anchor not in self.anchors:
            self._stop(event, loc, "refers to an anchor that is not defined above")
        node = self.anchors[event.anchor]
        if node is None:
            self._stop(event, loc, "refers to a value that it is itself a part of")
        return node

    def _count_mark(self, event: yaml.Event) -> None:
        self.marks += 1
        if self.marks > MAX_ANCHORS:
            self._stop(event, (), f"has more than {MAX_ANCHORS} anchors and aliases")

    def _next(self) -> yaml.Event:
        event = next(self.events)
        self.line = _line(event)
        return event

    def _note(self, event: yaml.Event, loc: Loc, reason: str) -> None:
        self.problems.append(Problem(_line(event), dotted(loc), reason))

    def _stop(self, event: yaml.Event, loc: Loc, reason: str) -> NoReturn:
        self._note(event, loc, reason)
        raise Unreadable(self.problems)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _extent(children: list[Node]) -> tuple[int, int]:
    """How many values there are with aliases written out, and how deep: an alias costs what it stands for."""
    return 1 + sum(c.size for c in children), 1 + max((c.height for c in children), default=0)


def _data(node: Node) -> object:
    match node:
        case Keys():
            return {key: _data(value) for key, (_, value) in node.entries.items()}
        case Items():
            return [_data(item) for item in node.items]
        case Scalar(quoted=True):
            return node.text
        case _:
            return None if node.text in _NULLS else Unquoted(node.text)


def _scalars(loc: Loc, node: Node) -> Iterator[tuple[Loc, Scalar]]:
    match node:
        case Keys():
            for key, (_, value) in node.entries.items():
                yield from _scalars((*loc, key), value)
        case Items():
            for index, item in enumerate(node.items):
                yield from _scalars((*loc, index), item)
        case Scalar():
            yield loc, node


def _without_input(problem: str | None) -> str:
    """The parser's own words; what it quotes from the file is left out, because it may be a part of a secret."""
    words = problem or ""
    if "'\\t'" in words:
        return "is not readable as YAML: a tab where YAML wants spaces"
    if "cannot start any token" in words:
        return "is not readable as YAML: a value that starts with @, %, ` or the like needs quotes"
    words = re.sub(r"(['\"]).*\1", "…", words, flags=re.DOTALL)
    return f"is not readable as YAML: {words}" if words.isprintable() and words else "is not readable as YAML"
