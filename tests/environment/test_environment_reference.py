"""References: what may be written, what they resolve to, and that a secret is never repeated."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cutover.core.errors import ConfigurationRefused, Unreachable
from cutover.environment import Environment, Ref, secret_variables

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

PLANTED = "hunter2-Tr0ub4dor"


def _refused(
    reference: Ref, environ: dict[str, str] | None = None, fetch: Callable[[str, str], str] | None = None
) -> str:
    with pytest.raises(ConfigurationRefused) as caught:
        reference.resolve(environ or {}, fetch)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "written",
    [
        "env:SHOP_DSN",
        "file:/run/secrets/dsn",
        "file:secrets/dsn",
        "ssm:/shop/prod/dsn",
        "ssm:dsn",
        "secretsmanager:shop/prod/blue-dsn",
        "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/dsn-AbCdEf",
    ],
)
def test_references_are_kept_as_written(loaded: Loaded, written: str) -> None:
    reference = loaded("blue: env:BLUE", f"blue: {written}").every_database[""].blue
    assert str(reference) == written
    assert reference.kind == written.split(":")[0]


@pytest.mark.parametrize(
    "literal",
    [
        f"postgresql://shop:{PLANTED}@db/shop",
        f"host=db user=shop password={PLANTED}",
        f"env:{PLANTED}!",
        f"ENV:{PLANTED}",
        f"ssm:postgresql://u:{PLANTED}@h/d",
        f"secretsmanager:postgresql://u:{PLANTED}@h/d",
        f"file:postgresql://u:{PLANTED}@h/d",
        f"vault:{PLANTED}",
        f"'{PLANTED}'",
        f"[{PLANTED}]",
        f"{{{PLANTED}: x}}",
        f"{{env: {PLANTED}}}",
        f"!secret {PLANTED}",
        f"*{PLANTED.replace('-', '')}",
        f"'{PLANTED}",
        f'"\\q{PLANTED}"',
        "null",
    ],
)
@pytest.mark.parametrize("key", ["database.blue", "smoke.green", "dns.servers", "ledger"])
def test_a_secret_in_the_place_of_a_reference_is_refused_and_not_repeated(told: Told, literal: str, key: str) -> None:
    if key == "database.blue":
        problems = told("blue: env:BLUE", f"blue: {literal}")
    elif key == "ledger":
        problems = told(f"ledger: {literal}\n")
    else:
        problems = told(f"{key.split('.')[0]}: {{{key.split('.')[1]}: {literal}}}\n")
    if key == "ledger" and literal in ("null", f"'{PLANTED}'"):
        return  # a ledger may be a plain path, and need not be given
    if literal == "null" and key != "database.blue":
        return
    assert problems
    assert PLANTED not in "\n".join(problems)
    assert PLANTED.replace("-", "") not in "\n".join(problems)


@pytest.mark.parametrize(
    "secret", [f"postgresql://shop:{PLANTED}@db/shop", f"password = {PLANTED}", "see AKIAABCDEFGHIJKLMNOP"]
)
def test_a_secret_is_noticed_also_where_text_is_right(told: Told, secret: str) -> None:
    (problem,) = told("description: A small environment", f"description: '{secret}'")
    assert problem.startswith("small.yaml:2: description: holds a password or an access key; write a reference")
    assert PLANTED not in problem
    assert "AKIA" not in problem


def test_secrets_as_keys_and_in_every_value_stay_unsaid(told: Told) -> None:
    dsn = f"postgresql://shop:{PLANTED}@db/shop"
    problems = told(
        f"'{dsn}': 1\n'{dsn}': 2\nshift: {{strategy: '{dsn}', shares: '{dsn}', soak: '{dsn}', limits: '{dsn}'}}\n"
        f"protected: '{dsn}'\naws: {{account: '{dsn}', region: '{dsn}'}}\nchecklist: {{'{dsn}': '{dsn}'}}\n"
        f"window: {{budget: '{dsn}', on_overrun: '{dsn}'}}\nmaintenance: {{kind: '{dsn}', load_balancers: ['{dsn}']}}\n"
        f"smoke: ['{dsn}']\nworld: {{rows: '{dsn}'}}\nrollback: {{'{dsn}': {{}}}}\n"
    )
    assert len(problems) > 12
    assert PLANTED not in "\n".join(problems)


def test_addresses_may_be_plain_where_they_hold_no_secret(loaded: Loaded) -> None:
    small = loaded(
        "smoke: {blue: https://blue.example.com/x, green: http://127.0.0.1:80}\ndns: {servers: '127.0.0.1:53,ns.x:53'}\n"
    )
    assert small.smoke.blue is not None
    assert small.smoke.blue.resolve({}) == "https://blue.example.com/x"
    assert small.dns.servers is not None
    assert small.dns.servers.resolve({}) == "127.0.0.1:53,ns.x:53"


@pytest.mark.parametrize("url", ["https://u@h", "https://u:p@h", "https://h/?token=x", "ftp://h", "h", "https://h/a b"])
def test_urls_with_room_for_a_secret_are_references(told: Told, url: str) -> None:
    (problem,) = told(f"smoke: {{blue: '{url}'}}\n")
    assert problem.startswith(
        "small.yaml:24: smoke.blue: wants a base URL without user, password or query, or a reference"
    )


def test_env_resolves(loaded: Loaded) -> None:
    assert loaded().every_database[""].blue.resolve({"BLUE": "postgresql://x"}) == "postgresql://x"


def test_env_that_is_not_there() -> None:
    assert _refused(Ref("env", "BLUE")) == "env:BLUE: this environment variable is not set"
    assert _refused(Ref("env", "BLUE"), {"BLUE": ""}) == "env:BLUE: is empty"
    assert _refused(Ref("env", "BLUE"), {"BLUE": f"a\n{PLANTED}"}) == "env:BLUE: is not a single line of text"


def test_file_resolves_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(f"{PLANTED}\n")
    assert Ref("file", str(tmp_path / "dsn")).resolve({}) == PLANTED


@pytest.mark.timeout(10)
def test_files_that_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"\xff" + PLANTED.encode())
    (tmp_path / "two").write_text(f"{PLANTED}\n{PLANTED}")
    for name, reason in {
        "missing": "cannot be read: No such file or directory",
        "fifo": "is not a regular file",
        "binary": "is not UTF-8 text",
        "two": "is not a single line of text",
    }.items():
        assert _refused(Ref("file", str(tmp_path / name))) == f"file:{tmp_path / name}: {reason}"
    assert _refused(Ref("file", "/dev/zero")) == "file:/dev/zero: is not a regular file"
    assert _refused(Ref("file", str(tmp_path))).endswith("is not a regular file")


def test_aws_references_are_fetched_by_the_caller() -> None:
    asked = []

    def fetch(kind: str, name: str) -> str:
        asked.append((kind, name))
        return f"{PLANTED}\n"

    assert Ref("ssm", "/a").resolve({}, fetch) == PLANTED
    assert Ref("secretsmanager", "b").resolve({}, fetch) == PLANTED
    assert asked == [("ssm", "/a"), ("secretsmanager", "b")]


def test_aws_references_that_cannot_be_fetched() -> None:
    def fails(kind: str, name: str) -> str:
        raise RuntimeError(PLANTED)

    def unreachable(kind: str, name: str) -> str:
        raise Unreachable("no answer")

    assert _refused(Ref("ssm", "/a")) == "ssm:/a: cannot be read here: there is no connection to AWS"
    assert _refused(Ref("ssm", "/a"), fetch=fails) == "ssm:/a: could not be read (RuntimeError)"
    with pytest.raises(Unreachable):
        Ref("ssm", "/a").resolve({}, unreachable)


def test_variables_that_may_hold_a_secret_are_found_wherever_they_are_named(loaded: Callable[..., Environment]) -> None:
    text = """\
notify: {channels: {own: {kind: webhook, url: "env:HOOK", secret: "env:SIGNING"}}}
metrics:
  sources:
    own: {kind: command, variables: {TOKEN: "env:COMMAND_TOKEN"}}
    prom: {kind: prometheus, url: "env:PROMETHEUS_URL", token: "file:/etc/token"}
  figures:
    queue: {source: own, query: "echo 1", unit: count, side: green}
"""
    text += 'configuration: {token: {parameter: /app/token, blue: "env:BLUE_TOKEN", green: "mail green"}}\n'
    found = set(secret_variables(loaded(text)))
    assert {"HOOK", "SIGNING", "COMMAND_TOKEN", "BLUE_TOKEN"} <= found
    assert not {"PROMETHEUS_URL", "/etc/token"} & found, "an address is none, and neither is a file"
