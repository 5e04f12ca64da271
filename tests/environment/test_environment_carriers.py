"""Hostnames carried by CloudFormation or CloudFront: their words, and what a provider cannot do."""

from collections.abc import Callable
from dataclasses import fields

import pytest

from cutover.aws.route53 import Route53Share
from cutover.environment import CloudFormationCarrier, CloudFrontCarrier, Environment
from cutover.environment.provider_limits import INSYNC_SETTLE

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

ALB = "kind: alb\n      load_balancer: shop\n      blue: shop-blue\n      green: shop-green\n"
STACK = "kind: cloudformation\n      stack: edge\n      parameter: Percent\n"
EDGE = "kind: cloudfront\n      distribution: E2QWRUHAPOMQZL\n      staging: E3QWRUHAPOMQZL\n      kept_in: /cutover/small/shop\n"


def carried_by(words: str, loaded: Loaded, more: str = "") -> Environment:
    return loaded(ALB, words + more)


def test_a_stack_with_every_default(loaded: Loaded) -> None:
    carrier = loaded(ALB, STACK).hostnames["shop"].carrier
    assert isinstance(carrier, CloudFormationCarrier)
    assert (carrier.scale, carrier.decimals, carrier.parameters, carrier.may_touch) == (100, 0, {}, ())
    assert carrier.settle == 900.0


def test_a_distribution(loaded: Loaded, small_text: str) -> None:
    text = small_text.replace(ALB, EDGE) + "shift: {shares: [1, 15, 100]}\n"
    assert "cloudfront" in text
    carrier = loaded(small_text, text).hostnames["shop"].carrier
    assert isinstance(carrier, CloudFrontCarrier)
    assert (carrier.kept_in, carrier.settle) == ("/cutover/small/shop", 1800.0)


@pytest.mark.parametrize(
    ("shares", "above"),
    [("", "50"), ("shift: {shares: [1, 5, 25, 50, 100]}\n", "25 and 50"), ("shift: {shares: [15.01, 100]}\n", "15.01")],
)
def test_a_share_above_15_is_refused_when_the_file_is_loaded(
    told_text: Told, small_text: str, shares: str, above: str
) -> None:
    (problem,) = told_text(small_text.replace(ALB, EDGE) + shares)
    assert (
        f"shift.shares: cannot be {above}: hostnames carried by cloudfront get at most 15 before the promotion"
        in problem
    )
    assert "(hostnames.shop.carrier.kind, line 12)" in problem


@pytest.mark.parametrize("words", [STACK, EDGE])
def test_what_takes_minutes_does_not_fit_into_the_window(told_text: Told, small_text: str, words: str) -> None:
    shift = "shift: {strategy: immediate}\nwindow: {budget: 121s}\n"
    (problem,) = told_text(small_text.replace(ALB, words) + shift)
    assert "takes minutes" in problem
    assert told_text(small_text.replace(ALB, words + "      settle: 30\n") + shift) == []


def test_records_that_move_in_the_window_fit_into_it(told_text: Told, small_text: str) -> None:
    immediate = small_text + "shift: {strategy: immediate}\n"
    (problem,) = told_text(immediate)
    assert "hostnames.api.carrier.kind: takes minutes (settle is 120 s)" in problem
    assert "for at most 60 s: use gradual, another provider, or a window.budget that is longer" in problem
    assert told_text(immediate + "window: {budget: 121s}\n") == []
    assert told_text(small_text) == []
    assert {field.name: field.default for field in fields(Route53Share)}["settle"] == INSYNC_SETTLE


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (STACK + "      scale: 1\n", "carrier.decimals: and scale together cannot say single percents"),
        (STACK + "      parameters: {Percent: 10}\n", "carrier.parameters.Percent: is the parameter that carries the share"),
        (STACK + "      may_touch: [A, A]\n", "carrier.may_touch: names the same thing twice"),
        (STACK.replace("edge", "1edge"), "carrier.stack: wants a stack name"),
        (STACK + "      decimals: 9\n", "carrier.decimals: must be from 0 to 4"),
        (EDGE.replace("E3Q", "E2Q"), "carrier.staging: is the primary distribution itself"),
        (EDGE.replace("/cutover/small/shop", "/aws/x"), "carrier.kept_in: wants the path of an SSM parameter"),
        (EDGE.replace("/cutover/small/shop", "blue"), "carrier.kept_in: wants the path of an SSM parameter"),
    ],
)  # fmt: skip
def test_wording(told_text: Told, small_text: str, words: str, problem: str) -> None:
    problems = told_text(small_text.replace(ALB, words) + "shift: {shares: [5, 100]}\n")
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(("words", "what"), [(STACK, "this parameter"), (EDGE, "this distribution")])
def test_one_provider_carries_one_hostname(told_text: Told, small_text: str, words: str, what: str) -> None:
    again = f"  again:\n    host: again.example.com\n    carrier:\n      {words}"
    problems = told_text(small_text.replace(ALB, words) + again + "shift: {shares: [5, 100]}\n")
    assert any(f"{what} serves another hostname's share already" in problem for problem in problems)


NONSENSE = (
    "[]",
    "{}",
    "[[1]]",
    "{a: {b: c}}",
    "~",
    "-1",
    "999999999999999999",
    "1e400",
    "''",
    "x",
    "true",
    "[50, x, {}]",
)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    "words", [STACK + "      scale: 7\n      decimals: 2\n      settle: 5m\n", EDGE + "      settle: 5m\n"]
)
def test_nonsense_in_any_place_is_a_problem_and_no_crash(
    told_text: Told, small_text: str, words: str, value: str
) -> None:
    lines = words.splitlines(keepends=True)
    for number, line in enumerate(lines):
        key = line.split(":")[0]
        written = "".join([*lines[:number], f"{key}: {value}\n", *lines[number + 1 :]])
        for shift in ("", f"shift: {{shares: {value}}}\n", "shift: {strategy: immediate}\n"):
            told_text(small_text.replace(ALB, written) + shift)
