"""Flags of the routing library: what may be written of them, alone and as carriers, and what is refused."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment, FlagCarrier

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

FLAGS = """\
flags:
  suggestions:
    store: file:/etc/shop/flags.json
    description: Who suggests
    criteria: {error_rate: 2.5, slower_ms: 50, fallback_rate: 0.5, at_least: 500, fresh: 1m, complaints: decision}
    snapshots: [http://10.0.0.1:9000/router, /run/shop/router.json, env:ROUTER]
  Search.v2: {store: env:FLAGS_STORE}
"""


def third(carrier: str = "kind: flag, flag: suggestions", name: str = "third") -> str:
    return f"  {name}:\n    host: {name}.example.com\n    carrier: {{{carrier}}}\n"


def test_what_they_become_and_that_they_survive_being_dumped(loaded: Loaded) -> None:
    environment = loaded(third() + FLAGS)
    flag = environment.flags["suggestions"]
    assert str(flag.store) == "file:/etc/shop/flags.json" and flag.store.kind == "literal"
    assert (flag.criteria.error_rate, flag.criteria.fresh, flag.criteria.complaints) == (2.5, 60.0, "decision")
    assert [str(one) for one in flag.snapshots] == [
        "http://10.0.0.1:9000/router",
        "/run/shop/router.json",
        "env:ROUTER",
    ]
    carrier = environment.hostnames["third"].carrier
    assert isinstance(carrier, FlagCarrier) and (carrier.flag, carrier.store) == ("suggestions", None)
    assert Environment.model_validate(environment.model_dump(mode="json")) == environment


@pytest.mark.parametrize(
    "store",
    [
        "sqlite:/var/lib/shop/flags.sqlite", "ssm:/shop/flags", "ssm:/shop/flags?region=eu-west-1", "redis://cache:6379/0",
        "rediss://cache.example", "postgresql://shop@db.example:5432/shop?sslmode=require", "postgres://db/shop",
        "secretsmanager:shop/flags", "env:STORE",
    ],
)  # fmt: skip
def test_stores_that_may_be_named(loaded: Loaded, store: str) -> None:
    carrier = loaded(third(f"kind: flag, flag: a, store: '{store}'")).hostnames["third"].carrier
    assert isinstance(carrier, FlagCarrier) and str(carrier.store) == store


@pytest.mark.parametrize(
    "store",
    [
        "postgresql://shop:s3cret@db/shop", "redis://:s3cret@cache/0", "file:flags.json", "file://host/flags", "mysql://db/a",
        "sqlite:/a/../b", "/etc/flags.json", "ssm:shop", "file:/a b", "https://a",
    ],
)  # fmt: skip
def test_stores_that_may_not(told: Told, store: str) -> None:
    (problem,) = told(f"flags:\n  a: {{store: '{store}'}}\n")
    assert "flags.a.store: wants the address of a store of flags without a password" in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("added", "where", "reason"),
    [
        (third("kind: flag, flag: sugestions") + FLAGS, "hostnames.third.carrier.flag", "is none of `flags` (did you mean suggestions?)"),
        (third("kind: flag, flag: a"), "hostnames.third.carrier.flag", "is none of `flags`, and there is no `store`"),
        (
            third("kind: flag, flag: suggestions, store: env:OTHER") + FLAGS,
            "hostnames.third.carrier.store",
            "is another store than the one of the flag of this name (flags.suggestions.store, line",
        ),
        (
            third() + third("kind: flag, flag: suggestions, store: 'file:/etc/shop/flags.json'", "fourth") + FLAGS,
            "hostnames.fourth.carrier.flag",
            "this flag carries another hostname's share already",
        ),
        (
            third("kind: file, file: /etc/shop/flags.json, key: suggestions") + third(name="fourth") + FLAGS,
            "hostnames.fourth.carrier.flag",
            "this flag carries another hostname's share already",
        ),
        ("flags:\n  a: {store: env:GREEN}\n", "flags.a.store", "is a database that is cut over"),
        (third("kind: flag, flag: a, store: env:BLUE"), "hostnames.third.carrier.store", "(database.blue, line"),
        ("flags:\n  -a: {store: env:A}\n", "flags", "wants the name of a flag"),
        (FLAGS.replace("error_rate", "eror_rate"), "flags.suggestions.criteria.eror_rate", "did you mean error_rate"),
        (FLAGS.replace("2.5", "0"), "flags.suggestions.criteria.error_rate", "must be more than 0"),
        (FLAGS.replace("env:ROUTER", "/run/shop/router.json"), "flags.suggestions.snapshots", "names the same thing twice"),
    ],
)  # fmt: skip
def test_what_is_refused(told: Told, added: str, where: str, reason: str) -> None:
    (problem,) = told(added)
    assert where in problem and reason in problem
