"""Lambda aliases, parameters and files as carriers of a share: what may be written, and what is refused."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment, FileCarrier, LambdaCarrier, SsmCarrier

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

LAMBDA = "kind: lambda, function: shop-api, alias: live, blue: 41, green: 42"
SSM = "kind: ssm, parameter: /shop/share, key: green_percent, reported: [http://10.0.0.1:8080/flags, env:SECOND]"
FILE = "kind: file, file: /etc/shop/flags.json"


def third(carrier: str) -> str:
    return f"  third:\n    host: third.example.com\n    carrier: {{{carrier}}}\n"


def test_what_they_become(loaded: Loaded) -> None:
    carriers = [loaded(third(words)).hostnames["third"].carrier for words in (LAMBDA, SSM, FILE)]
    alias, parameter, file = carriers
    assert isinstance(alias, LambdaCarrier) and (alias.blue, alias.green) == ("41", "42")
    assert isinstance(parameter, SsmCarrier) and parameter.key == "green_percent"
    assert [str(ref) for ref in parameter.reported] == ["http://10.0.0.1:8080/flags", "env:SECOND"]
    assert isinstance(file, FileCarrier) and (file.file, file.key) == ("/etc/shop/flags.json", None)


def test_they_survive_being_dumped_and_read_again(loaded: Loaded) -> None:
    for words in (LAMBDA, SSM, FILE):
        environment = loaded(third(words))
        assert Environment.model_validate(environment.model_dump(mode="json")) == environment


@pytest.mark.parametrize(
    ("carrier", "place", "reason"),
    [
        (LAMBDA.replace("42", "$LATEST"), "green", "wants the number of a published version ($LATEST has no weight)"),
        (LAMBDA.replace("42", "41"), "green", "is the same target group, record or version as blue's"),
        (LAMBDA.replace("live", "7"), "alias", "wants an alias's name of letters, digits, - and _"),
        (LAMBDA.replace("shop-api", "a:b"), "function", "wants a Lambda function's name of letters, digits, - and _"),
        (SSM.replace("/shop/share", "a b"), "parameter", "wants the name of an SSM parameter, such as /shop/share"),
        (FILE.replace("/etc", "etc"), "file", "wants an absolute path without .."),
        (FILE + ", reported: [http://u:p@h]", "reported[0]", "wants a base URL without user, password or query, or"),
        (FILE + ", reported: [http://h, http://h]", "reported", "names the same thing twice"),
        (FILE + ", healthy_at_least: 1", "healthy_at_least", "unknown key"),
    ],
)
def test_what_is_refused(told: Told, carrier: str, place: str, reason: str) -> None:
    (problem,) = told(third(carrier))
    assert f"hostnames.third.carrier.{place}: {reason}" in problem


@pytest.mark.parametrize(
    ("carrier", "what"),
    [
        (LAMBDA.replace("42", "43"), "function: this alias"),
        (SSM, "parameter: this parameter"),
        (FILE, "file: this file"),
    ],
)
def test_one_carrier_has_one_hostname(told: Told, carrier: str, what: str) -> None:
    second = third(carrier).replace("third", "fourth")
    (problem,) = told(third(carrier.replace("43", "42")) + second)
    assert f"hostnames.fourth.carrier.{what} carries another hostname's share already" in problem
