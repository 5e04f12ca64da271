"""What every adapter of AWS keeps, those included that are not written yet: it says what it may call, and calls by one way."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import cutover.aws
from cutover.core.gate import Check
from cutover.core.step import Step

HOUSE = Path(cutover.aws.__file__).parents[1]
MAKES_CLIENTS = {"Session", "client", "create_client", "resource"}


def adapters() -> Iterator[type]:
    """Every step and check of cutover/aws."""
    for module in pkgutil.iter_modules(cutover.aws.__path__, "cutover.aws."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and issubclass(found, Step | Check) and not inspect.isabstract(found):
                yield found


def test_there_are_adapters() -> None:
    assert {adapter.__name__ for adapter in adapters()} >= {
        "AlbShare",
        "Route53Share",
        "TargetsHealthy",
        "AccountIsOurs",
    }


ADAPTERS = {adapter.__name__: adapter for adapter in adapters()}


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_it_says_which_calls_it_may_make(name: str) -> None:
    assert callable(getattr(ADAPTERS[name], "permissions", None)), "the policy would lack its calls"


def test_nobody_but_the_session_makes_a_client() -> None:
    """Its deadlines, turns, retries and account hold for every call only because there is no other way.

    The routing library's store makes one where it is in an application; the toolkit gives it the session's calls.
    """
    makers = set()
    for file in sorted(HOUSE.rglob("*.py")):
        if "world" in file.relative_to(HOUSE).parts:
            continue  # it builds the account that the house works in
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MAKES_CLIENTS:
                makers.add(str(file.relative_to(HOUSE)))
    assert makers == {"aws/session.py", "routing/ssm_store.py"}
