"""What a router is made of, looked at when it is made: what is wrong would else be found out by a customer."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from cutover.routing.workers import LONGEST_BUDGET


def are_coroutines(name: str, legacy: Callable[..., Any], candidate: Callable[..., Any]) -> bool:
    """Whether both are coroutine functions; raises TypeError for generators, and where one is and the other is not."""
    kinds = [_kind(name, word, side) for word, side in (("legacy", legacy), ("candidate", candidate))]
    if kinds[0] != kinds[1]:
        words = ["a coroutine function" if kind else "a plain function" for kind in kinds]
        raise TypeError(f"{name}: legacy is {words[0]} and candidate {words[1]}; both must be of one kind")
    return kinds[0]


def are_in_order(
    name: str, *, key: object, budget: float | None, expected: object, flags: object, storm: object, events: object
) -> None:
    """Raises TypeError or ValueError for the first argument of a router that is none."""
    if budget is not None and not 0 < budget <= LONGEST_BUDGET:
        raise ValueError(f"{name}: {budget} is no budget: more than 0 seconds, at most {LONGEST_BUDGET:g}")
    if not callable(key):
        raise TypeError(f"{name}: key cannot be called: {type(key).__name__}")
    if not isinstance(expected, tuple) or not all(
        isinstance(one, type) and issubclass(one, Exception) for one in expected
    ):
        raise TypeError(f"{name}: expected is no tuple of exception classes: {expected!r}")
    for word, value, wanted in (("flags", flags, "cell"), ("storm", storm, "pause"), ("events", events, "put")):
        if not hasattr(value, wanted) and (value is not None or word == "storm"):
            raise TypeError(f"{name}: {word} is a {type(value).__name__}")


def _kind(name: str, word: str, function: Any) -> bool:
    if not callable(function):
        raise TypeError(f"{name}: {word} cannot be called: {type(function).__name__}")
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    faces = [inner] if inspect.isroutine(inner) or inspect.isclass(inner) else [inner, type(inner).__call__]
    for face in faces:
        if inspect.isgeneratorfunction(face) or inspect.isasyncgenfunction(face):
            raise TypeError(
                f"{name}: {word} is a generator: it fails only while it is read, when half an answer is already out. "
                "Route the function that reads it to the end and returns a list"
            )
    return any(inspect.iscoroutinefunction(face) for face in faces)
