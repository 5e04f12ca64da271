"""What an environment file may say: types, ranges, contradictions, and how each refusal is worded."""

from collections.abc import Callable

import pydantic
import pytest

from cutover.environment import AlbCarrier, Environment, Route53Carrier, load, parse

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]


def test_the_small_environment_loads_with_every_default(loaded: Loaded) -> None:
    small = loaded()
    assert (small.schema_version, small.protected, small.world) == (1, False, None)
    assert small.aws.region == "us-east-1"
    assert isinstance(small.hostnames["shop"].carrier, AlbCarrier)
    api = small.hostnames["api"].carrier
    assert isinstance(api, Route53Carrier) and api.ttl is not None
    assert (api.type, api.ttl.slack, api.health) == ("CNAME", 60.0, ())
    assert (small.every_database[""].fence.dead_man, small.every_database[""].copy_timeout) == (10.0, 6 * 3600)
    assert (small.window.budget, small.window.on_overrun) == (60.0, "undo")
    assert small.shift.shares == (10.0, 50.0, 100.0)
    assert small.shift.soaks == (600.0, 600.0, 600.0)
    assert (small.bake.soak, small.rollback.waiting_period) == (86_400.0, 7 * 86_400.0)
    assert small.maintenance.methods == ("POST", "PUT", "PATCH", "DELETE")


def test_it_is_frozen(loaded: Loaded) -> None:
    with pytest.raises(pydantic.ValidationError):
        loaded().window.budget = 1.0


def test_it_survives_being_dumped_and_read_again(loaded: Loaded) -> None:
    small = loaded("checklist: {checkout: [a, b or c], logs: {attest: traffic}}\nledger: led/ger.db\n")
    assert Environment.model_validate(small.model_dump(mode="json")) == small
    assert small.model_dump(mode="json")["database"]["blue"] == "env:BLUE"


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("windw: {budget: 5}\n", "small.yaml:24: windw: unknown key (did you mean window?)"),
        ("window: {bugdet: 5}\n", "small.yaml:24: window.bugdet: unknown key (did you mean budget?)"),
        ("shift:\n  limits:\n    eror_rate: 5\n", "small.yaml:26: shift.limits.eror_rate: unknown key (did you mean error_rate?)"),
        ("checklist: {a: {atest: traffic}}\n", "small.yaml:24: checklist.a.atest: unknown key (did you mean attest?)"),
        ("qqqq: 1\n", "small.yaml:24: qqqq: unknown key"),
        ("<<: {}\n", "small.yaml:24: <<: merge keys are not read; write the keys out"),
        ("world:\n", "small.yaml:24: world: has no value: write `world: {}`, or remove the line"),
        ("window:\n", "small.yaml:24: window: wants keys and values below it"),
        ("shift: {shares: 10}\n", "small.yaml:24: shift.shares: wants a list"),
        ("shift: {strategy: gradul}\n", "small.yaml:24: shift.strategy: must be one of gradual, immediate (did you mean gradual?)"),
        ("schema_version: 2\n", "small.yaml:24: schema_version: must be 1"),
        ("description: again\n", "small.yaml:24: description: is given twice; the first one is on line 2"),
    ],
)  # fmt: skip
def test_wording(told: Told, added: str, problem: str) -> None:
    assert told(added) == [problem]


def test_an_unknown_key_inside_a_carrier_knows_the_keys_of_its_kind(told: Told) -> None:
    assert told("load_balancer: shop", "load_balancer: shop\n      helthy_at_least: 2") == [
        "small.yaml:14: hostnames.shop.carrier.helthy_at_least: unknown key (did you mean healthy_at_least?)"
    ]
    assert told("cutover: 60}", "cutover: 60, slck: 1}") == [
        "small.yaml:23: hostnames.api.carrier.ttl.slck: unknown key (did you mean slack?)"
    ]


def test_a_missing_key_is_reported_at_its_parent(told: Told) -> None:
    assert told("description: A small environment\n", "") == ["small.yaml:1: description: is missing"]
    assert told("  green: env:GREEN\n", "") == ["small.yaml:4: database.green: is missing"]
    assert told("      green: shop-green\n", "") == ["small.yaml:11: hostnames.shop.carrier.green: is missing"]


def test_an_unknown_kind_lists_the_known_ones(told: Told) -> None:
    assert told("kind: alb", "kind: rout53") == [
        "small.yaml:11: hostnames.shop.carrier: kind must be one of alb, route53, cloudformation, cloudfront, lambda, ssm, file, flag (did you mean route53?)"
    ]
    assert told("      kind: alb\n", "") == [
        "small.yaml:11: hostnames.shop.carrier: needs a kind: alb or route53 or cloudformation or cloudfront or lambda or ssm or file or flag"
    ]


def test_everything_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = """\
name: other
protected: yes
aws: {region: moon, acount: 1}
database: {name: shop, name: shop2, blue: env:A, green: env:A, fence: {dead_man: 90s}}
shift: {shares: [50, 10], soak: [1, 2, 3]}
maintenance: {kind: alb}
hostnames:
  one: {host: a.example.com, carrier: {kind: alb, load_balancer: x, blue: g, green: g}}
  two: {host: A.example.com., carrier: {kind: alb, load_balancer: x, blue: h, green: i}}
"""
    with pytest.raises(Exception) as caught:
        parse(text, name="small", file="f")
    places = [line.split(": ")[0] + " " + line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert places == [
        "f:1 description",
        "f:1 name",
        "f:1 owners",
        "f:2 protected",
        "f:3 aws.acount",
        "f:3 aws.region",
        "f:4 database.fence.dead_man",
        "f:4 database.green",
        "f:4 database.name",
        "f:5 shift.shares",
        "f:5 shift.soak",
        "f:6 maintenance.load_balancers",
        "f:8 hostnames.one.carrier.green",
        "f:9 hostnames.two.carrier.load_balancer",
        "f:9 hostnames.two.host",
    ]


def test_two_entries_for_one_host_name_both_lines(told: Told) -> None:
    (problem,) = told("host: api.example.com", "host: SHOP.example.com.")
    assert problem.startswith("small.yaml:17: hostnames.api.host: is the same name")
    assert problem.endswith("(hostnames.shop.host, line 10)")


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        (("blue: shop-blue", "blue: shop-green"), "hostnames.shop.carrier.green", "same target group"),
        (("blue: blue", "blue: green"), "hostnames.api.carrier.green", "same target group, record or version"),
        (("blue: env:BLUE", "blue: env:GREEN"), "database.green", "same database"),
        (("zone: example.com", "zone: example.org"), "hostnames.api.carrier.zone", "does not contain the host"),
        (("normal: 300", "normal: 30"), "hostnames.api.carrier.ttl.cutover", "longer than the normal TTL"),
        (("normal: 300", "normal: 0"), "hostnames.api.carrier.ttl.normal", "from 1 to 604800"),
        (("normal: 300", "normal: 2147483648"), "hostnames.api.carrier.ttl.normal", "from 1 to 604800"),
        (("smoke: {blue: env:A, green: env:A}\n",), "smoke.green", "same address"),
        (("maintenance: {kind: alb}\n",), "maintenance.load_balancers", "at least one load balancer"),
        (("maintenance: {load_balancers: [a]}\n",), "maintenance.load_balancers", "the kind is none"),
        (("maintenance: {kind: alb, load_balancers: [a, a]}\n",), "maintenance.load_balancers", "twice"),
        (("maintenance: {methods: []}\n",), "maintenance.methods", "one to four"),
        (("maintenance: {methods: [post]}\n",), "maintenance.methods[0]", "in capitals"),
        (("maintenance: {priority: 50001}\n",), "maintenance.priority", "from 1 to 50000"),
        (("window: {budget: 0}\n",), "window.budget", "longer than 0"),
        (("window: {budget: 10s}\n",), "database.fence.dead_man", "shorter than window.budget"),
        (("protected: true\n",), "protected", "needs aws.account"),
        (("protected: true\naws: {account: '123456789012'}\nworld: {}\n",), "protected", "local world"),
        (("aws: {account: 12345}\n",), "aws.account", "12 digits"),
        (("shift: {shares: []}\n",), "shift.shares", "end with 100"),
        (("shift: {shares: [10, 50]}\n",), "shift.shares", "end with 100"),
        (("shift: {shares: [50, 50, 100]}\n",), "shift.shares", "must rise"),
        (("shift: {shares: [0, 100]}\n",), "shift.shares[0]", "more than 0"),
        (("shift: {shares: [100, 101]}\n",), "shift.shares[1]", "at most 100"),
        (("shift: {shares: [0.005, 100]}\n",), "shift.shares[0]", "multiple of 0.01"),
        (("shift: {soak: [1s, 2s]}\n",), "shift.soak", "2 durations for 3 shares"),
        (("shift: {soak: [1s, x, 2s]}\n",), "shift.soak", "wants a duration"),
        (("shift: {limits: {error_rate: 101}}\n",), "shift.limits.error_rate", "from 0 to 100"),
        (("shift: {limits: {at_least: 0}}\n",), "shift.limits.at_least", "from 1"),
        (("checklist: {a: {}}\n",), "checklist.a", "one of `smoke`, `attest`, `command` and `figure`"),
        (("checklist: {a: }\n",), "checklist.a", "one of `smoke`, `attest`, `command` and `figure`"),
        (("checklist: {a: {smoke: x, attest: traffic}}\n",), "checklist.a", "and not more"),
        (("checklist: {a: {attest: traffick}}\n",), "checklist.a.attest", "did you mean traffic?"),
        (("checklist: {a: '--pdb'}\n",), "checklist.a", "pytest -k"),
        (("checklist: {a: (b or c}\n",), "checklist.a", "not an expression that pytest -k reads"),
        (("checklist: {a: b c}\n",), "checklist.a", "not an expression that pytest -k reads"),
        (("checklist: {a: [b, 5 or]}\n",), "checklist.a", "not an expression that pytest -k reads"),
        (("checklist: {a: {name: b, smoke: x}}\n",), "checklist.a.name", "unknown key"),
        (("checklist: [a]\n",), "checklist[0]", "wants keys and values"),
        (("smoke: {path: ../elsewhere}\n",), "smoke.path", "without .."),
        (("smoke: {path: /etc}\n",), "smoke.path", "relative path"),
        (("rollback: {deadline: 0}\n",), "rollback.deadline", "longer than 0"),
    ],
)
def test_refused(told: Told, change: tuple[str, ...], path: str, words: str) -> None:
    (problem,) = [problem for problem in told(*change) if problem.split(": ")[1] == path]
    assert words in problem


def test_two_hostnames_behind_one_listener_are_refused(told: Told) -> None:
    third = "  third:\n    host: x.example.com\n    carrier: {kind: alb, load_balancer: shop, blue: c, green: d}\n"
    (problem,) = told(third)
    assert "hostnames.third.carrier.load_balancer: this listener carries another hostname's share already" in problem
    assert told(third.replace("load_balancer: shop", "load_balancer: shop, listener_port: 8080")) == []


def test_a_flood_of_problems_is_cut_short(told: Told) -> None:
    problems = told("".join(f"k{n}: 1\n" for n in range(500)))
    assert len(problems) == 201
    assert problems[-1] == "small.yaml:224: … and 300 more"


def test_hostnames_are_needed() -> None:
    with pytest.raises(Exception, match="hostnames: needs at least 1"):
        parse("name: small\nhostnames: {}\n", name="small", file="f")


@pytest.mark.parametrize("bad", ["no", "yes", "on", "off", "True", "'true'", "1", "null", "[]"])
def test_only_true_and_false_are_truth_values(told: Told, bad: str) -> None:
    assert told(f"protected: {bad}\n") == [
        "small.yaml:24: protected: wants true or false (yes, no, on, off and quoted words are not read)"
    ]


@pytest.mark.parametrize("written", ["NO", "on", "0755", "12:30", "1e3", "true", "1_000", "0x1F", "2024-01-01", ".inf"])
def test_text_stays_as_it_was_written(loaded: Loaded, written: str) -> None:
    assert loaded("decision: a", f"decision: {written}").owners.decision == written


def test_an_account_keeps_its_leading_zero(loaded: Loaded) -> None:
    assert loaded("aws: {account: 012345678901}\n").aws.account == "012345678901"


@pytest.mark.parametrize(
    "bad", ["0755", "12:30", "1e3", "1_000", "0x1F", "'80'", "8.0", ".nan", "yes", "null", "9" * 5000]
)
def test_numbers_are_plain_digits(told: Told, bad: str) -> None:
    (problem,) = told("load_balancer: shop", f"load_balancer: shop\n      listener_port: {bad}")
    assert problem.startswith("small.yaml:14: hostnames.shop.carrier.listener_port: ")


@pytest.mark.parametrize("bad", ["no", ".inf", "-.inf", ".nan", "1e3", "'5'", "-1", "[5]", "0755", "~", "9" * 400])
def test_decimal_numbers_are_plain_digits(told: Told, bad: str) -> None:
    (problem,) = told(f"shift: {{limits: {{error_rate: {bad}}}}}\n")
    assert problem.startswith("small.yaml:24: shift.limits.error_rate: ")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5", 5), ("0", 0), ("5s", 5), ("'5'", 5), ("250ms", 0.25), ("1.5h", 5400), ("10m", 600), ("24h", 86_400), ("7d", 604_800)],
)  # fmt: skip
def test_durations(loaded: Loaded, written: str, seconds: float) -> None:
    assert loaded(f"bake: {{soak: {written}}}\n").bake.soak == seconds


@pytest.mark.parametrize("bad", ["-1", "5 s", "5x", "12:30", "1e3", ".inf", "400d", "s", "٣s", "null", "[1]", "'5s\n'"])
def test_durations_that_are_none(told: Told, bad: str) -> None:
    (problem,) = told(f"bake: {{soak: {bad}}}\n")
    assert problem.startswith("small.yaml:24: bake.soak: ")


def test_one_soak_for_each_share(loaded: Loaded) -> None:
    shift = loaded("shift: {shares: [0.01, 25, 99.99, 100], soak: [1s, 2, 3m, 0]}\n").shift
    assert shift.shares == (0.01, 25.0, 99.99, 100.0)
    assert shift.soaks == (1.0, 2.0, 180.0, 0.0)


def test_the_forms_of_a_checklist_line(loaded: Loaded) -> None:
    items = loaded("checklist:\n  a: x\n  b: [x, y and z]\n  c: {smoke: x}\n  d: {attest: traffic}\n").checklist
    assert [(i.name, i.smoke, i.attest) for i in items] == [
        ("a", "x", None),
        ("b", "x or (y and z)", None),
        ("c", "x", None),
        ("d", None, "traffic"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        "'a\\nb'",
        '"a\\nb"',
        "a;b.test",
        '"\\e[31m.test"',
        "'</script>.test'",
        "a|b.test",
        "'`id`.test'",
        "localhost",
        "-a.test",
    ],
)
def test_hosts_that_could_be_injected_are_refused(told: Told, bad: str) -> None:
    (problem,) = told("host: shop.example.com", f"host: {bad}")
    assert problem == "small.yaml:10: hostnames.shop.host: wants a DNS name such as shop.example.com"


@pytest.mark.parametrize("bad", ['"\\e[2J"', '"a\\nb"', '"a\\u202eb"', '"\\ud800"', '" "', "''", "x" * 301])
def test_prose_is_one_visible_line(told: Told, bad: str) -> None:
    (problem,) = told("description: A small environment", f"description: {bad}")
    assert problem.startswith("small.yaml:2: description: ")
    assert problem.isprintable()


def test_a_folded_description_is_one_line(loaded: Loaded) -> None:
    assert loaded("description: A small environment", "description: >\n  A\n  b").description == "A b"


def test_hosts_are_brought_into_one_form(loaded: Loaded) -> None:
    assert loaded("host: shop.example.com", "host: Shop.Example.com.").hostnames["shop"].host == "shop.example.com"


def test_a_model_built_in_code_cannot_contradict_itself_either(loaded: Loaded) -> None:
    data = loaded().model_dump(mode="json")
    data["window"]["budget"] = 5
    with pytest.raises(pydantic.ValidationError, match="shorter than window.budget"):
        Environment.model_validate(data)


def test_committed_environments_say_what_the_local_world_is() -> None:
    local = load("local")
    assert local.world is not None
    assert (local.shift.soaks, local.bake.soak, local.rollback.waiting_period) == ((2.0, 2.0, 2.0), 2.0, 0.0)
    assert load("local-maintenance").shift.shares == (25.0, 100.0)
    prod = load("prod")
    assert (prod.protected, prod.world) == (True, None)


def test_a_rate_that_would_stop_everything_is_refused(
    told: Callable[..., list[str]], loaded: Callable[..., Environment]
) -> None:
    for rate in ("0", "0.000001", "0.19", "10001"):
        (problem,) = told(f"aws: {{rates: {{route53: {rate}}}}}\n")
        assert "aws.rates.route53: must be from 0.2 to 10000" in problem
    assert loaded("aws: {rates: {route53: 0.2}}\n").aws.rates == {"route53": 0.2}
