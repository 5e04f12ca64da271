"""The decision tree of a rollback: one tree, drawn by Mermaid and written as an indented list."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.gate import Policy
from cutover.core.plain import text
from cutover.core.step import Step
from cutover.metrics.rule import Rule
from cutover.plan_words import Zone
from cutover.runbook.book import Book
from cutover.runbook.markdown import Markdown, code, fence, label, prose, spaced


class Code(str):
    """A command or a name inside words."""


Words = Sequence[str]


@dataclass(frozen=True)
class Node:
    """A question with its answers, or (without answers) what to do; words are plain text and `Code`."""

    words: Words
    answers: tuple[tuple[str, "Node"], ...] = ()
    zone: Zone | None = field(default=None, kw_only=True)


def tree(book: Book) -> Node:
    """Which way to go, from what a person can see."""
    commits = book.plan.commit_steps()
    after_switch = _finished(book) if book.finish else _harm(book)
    if not commits:
        return after_switch
    step = commits[0]
    answers = [(text(step.before), _cancel(book))]
    for state in sorted(step.between - {step.before, step.after}, key=text):
        answers.append((text(state), _half_way(book, step.name, committed=step.committed(state))))
    answers.append((text(step.after), after_switch))
    answers.append(("anything else", _stranger(book)))
    return Node(("What does the check of ", Code(step.name), " show?"), tuple(answers))


def asked(book: Book) -> list[Step[Any]]:
    """The steps whose checks the tree asks about."""
    one_way = [step for _, step in book.finish.steps() if step.one_way] if book.finish else []
    return [*book.plan.commit_steps()[:1], *one_way[:1]]


def _cancel(book: Book) -> Node:
    words = ("Blue serves and takes writes. Try again later, or take the preparation back: ", _rollback(book))
    return Node(words, zone=Zone.CANCEL)


def _half_way(book: Book, step: str, *, committed: bool) -> Node:
    if not committed:
        return Node(("Half done, not committed. Blue gets its writes back: ", _rollback(book)), zone=Zone.CANCEL)
    words = (
        "Writes are stopped. Go on in the direction that was under way: ",
        _command(book, "resume"),
        ". Without the tool: repeat the commands of ",
        Code(step),
        ", then decide again",
    )
    return Node(words, zone=Zone.ROLLBACK)


def _finished(book: Book) -> Node:
    one_way = [step.name for step in asked(book) if step.one_way]
    if not one_way:
        return _harm(book)
    gone = Node((f"No way back. Mend green, going forward. Call {book.role('decision')}",), zone=Zone.FINISHED)
    return Node(
        ("Has finish been run? The check of ", Code(one_way[0]), " tells"),
        (("yes, the way back is removed", gone), ("no", _harm(book))),
    )


def _harm(book: Book) -> Node:
    """What the triggers say, in their own words; below them what no figure shows."""
    if not book.rules:
        return _seen(book)
    answers = [(rule.condition.words(), _started(book, rule)) for rule in book.rules]
    asked = ("What do the figures show? ", _command(book, "triggers"))
    return Node(asked, (*answers, ("nothing of this", _seen(book))))


def _started(book: Book, rule: Rule) -> Node:
    """What the trigger starts, with the command that does the same by hand."""
    policy = rule.action.then or rule.action.first
    named = f"{rule.action.words()} ("
    match policy:
        case Policy.ROLLBACK:
            by_hand = _rollback(book)
        case Policy.PREVIOUS_PHASE:
            by_hand = _command(book, "rollback", " --to PHASE --reason 'WHY'")
        case Policy.NOTIFY:
            return Node((rule.action.words(),), zone=Zone.ROLLBACK)
        case _:
            by_hand = _command(book, "hold", " --reason 'WHY'")
    return Node((named, Code(f"trigger-{rule.name}"), "): ", by_hand), zone=Zone.ROLLBACK)


def _seen(book: Book) -> Node:
    wait = ("Hold and look: ", _command(book, "hold"), ". The way back stays warm, so nothing is lost by waiting")
    late = (f"Ask {book.role('decision')} first. The way back is there until finish",)
    how_long = Node(
        (f"Is the switch less than {book.rollback_window} ago?",),
        (("yes", _go_back(book)), ("no", Node(late, zone=Zone.ROLLBACK))),
    )
    return Node(
        ("Is green failing users, or is its data wrong?",),
        (("no, or not sure", Node(wait, zone=Zone.ROLLBACK)), ("yes", how_long)),
    )


def _go_back(book: Book) -> Node:
    well = Node(("Verify: the list at the end of this page",), zone=Zone.ROLLBACK)
    by_hand = (f"Call {book.role('database')}. By hand: the steps below, as the table says",)
    return Node(
        ("Roll back: ", _rollback(book), ". Did it exit 0?"),
        (("yes", well), ("no", Node(by_hand, zone=Zone.ROLLBACK))),
    )


def _stranger(book: Book) -> Node:
    call = f"Call {book.role('decision')} and {book.role('database')}"
    finished = "finished already (green is unprepared then, and there is no way back), " if book.finish else ""
    return Node((f"Not prepared yet, {finished}changed by somebody else, or out of sight. Touch nothing. {call}",))


def _rollback(book: Book) -> Code:
    return _command(book, "rollback", " --reason 'WHY'")


def _command(book: Book, task: str, flags: str = "") -> Code:
    return Code(f"invoke {task} --env {shlex.quote(book.environment)}{flags}")


def as_mermaid(root: Node) -> Markdown:
    """The tree as a Mermaid flowchart in its fence; every label is quoted."""
    lines = ["flowchart TD"]
    for name, node, parent, answer in _numbered(root):
        zone = f"{node.zone.value.upper()}: " if node.zone else ""
        opens, closes = "{}" if node.answers else "[]"
        lines.append(f"  {name}{opens}{label(zone + ''.join(node.words))}{closes}")
        if parent:
            lines.append(f"  {parent} -->|{label(answer)}| {name}")
    return fence("\n".join(lines), "decision tree", "mermaid")


def as_text(root: Node) -> Markdown:
    """The same tree as an indented list."""
    return Markdown("\n".join(_branch(root, "")))


def _branch(node: Node, indent: str) -> Iterator[str]:
    if not indent:
        yield f"- **{_said(node.words)}**"
    for answer, child in node.answers:
        zone = f"**{child.zone.value}**: " if child.zone else ""
        words = f"**{_said(child.words)}**" if child.answers else f"{zone}{_said(child.words)}."
        yield f"{indent}  - *{prose(answer)}* → {words}"
        yield from _branch(child, indent + "  ")


def _said(words: Words) -> str:
    return "".join(code(part) if isinstance(part, Code) else spaced(part) for part in words)


def _numbered(root: Node) -> Iterator[tuple[str, Node, str, str]]:
    """Depth first: (name, node, name of the parent, the parent's answer that leads here)."""
    waiting: list[tuple[Node, str, str]] = [(root, "", "")]
    count = 0
    while waiting:
        node, parent, answer = waiting.pop(0)
        count += 1
        name = f"n{count}"
        yield name, node, parent, answer
        waiting = [(child, name, words) for words, child in node.answers] + waiting
