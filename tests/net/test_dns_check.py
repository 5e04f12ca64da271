"""TTLs at authoritative servers: small servers of our own that answer well, late, lamely or not at all."""

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from name_servers import Server

from cutover.core.errors import Refused
from cutover.core.gate import Verdict
from cutover.net.dns import TtlVisible, ask


def check(*servers: str, wanted: int = 5, exact: bool = False) -> TtlVisible:
    return TtlVisible(
        zone="shop.test",
        record="api.shop.test",
        record_type="CNAME",
        wanted=wanted,
        exact=exact,
        servers=lambda: servers,
    )


def test_every_server_must_show_the_ttl(serve: Callable[..., Server]) -> None:
    one, other = serve(5), serve(60)
    seen = check(one.address, other.address).look()
    assert (seen.verdict, seen.seen) == (
        Verdict.INSUFFICIENT,
        f"{one.address}: TTL 5; {other.address}: TTL 60 (wanted ≤ 5)",
    )
    other.ttl = 1
    assert check(one.address, other.address).look().verdict is Verdict.PASS
    assert check(one.address, other.address, exact=True).look().verdict is Verdict.INSUFFICIENT
    assert not any(one.recursion_wanted + other.recursion_wanted)


def test_a_server_without_authority_proves_nothing(serve: Callable[..., Server]) -> None:
    resolver = serve(1, authoritative=False)
    seen = check(resolver.address).look()
    assert seen.verdict is Verdict.INSUFFICIENT
    assert "not authoritative" in seen.seen


def test_an_answer_cut_short_is_asked_for_over_tcp(serve: Callable[..., Server]) -> None:
    assert check(serve(5, truncated=True).address).look().verdict is Verdict.PASS


def test_a_missing_record_is_not_yet(serve: Callable[..., Server]) -> None:
    assert "no CNAME record" in check(serve(5, name="other.test.").address).look().seen


def test_silent_servers_are_blind_and_one_of_them_is_not_yet(serve: Callable[..., Server]) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("127.0.0.1", 0))
        silent = f"127.0.0.1:{deaf.getsockname()[1]}"
        assert check(silent).look().verdict is Verdict.BLIND
        assert check(silent, serve(5).address).look().verdict is Verdict.INSUFFICIENT
    assert check().look().verdict is Verdict.BLIND
    assert ask("nonsense", "api.shop.test", "CNAME").reason.startswith("no answer")


def test_nothing_is_asked_before_looking() -> None:
    def servers() -> tuple[str, ...]:
        raise AssertionError("asked")

    made = TtlVisible(zone="z", record="r", record_type="A", wanted=5, servers=servers)
    assert "$SHOP_DNS_SERVERS" in made.shell()


def test_what_is_printed_asks_each_server(tmp_path: Path) -> None:
    stand_in = tmp_path / "dig"
    stand_in.write_text('#!/bin/sh\n[ "$1" = +short ] && echo ns1.test. || echo "$@"\n')
    stand_in.chmod(0o755)

    def typed(made: TtlVisible) -> list[str]:
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SHOP_DNS_SERVERS": "127.0.0.1:1,127.0.0.2:2"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", made.shell()],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return done.stdout.splitlines()

    flags = "+norecurse +noall +answer +time=2 +tries=1"
    assert typed(check("x")) == [
        f"{flags} @127.0.0.1 -p 1 api.shop.test CNAME",
        f"{flags} @127.0.0.2 -p 2 api.shop.test CNAME",
    ]
    own = TtlVisible(zone="shop.test", record="api.shop.test", record_type="CNAME", wanted=5)
    assert typed(own) == [f"{flags} @ns1.test. api.shop.test CNAME"]


def test_a_private_zone_is_not_observable_without_a_resolver_of_its_vpc() -> None:
    made = TtlVisible(zone="shop.test", record="api.shop.test", record_type="CNAME", wanted=5, private=True)
    seen = made.look()
    assert seen.verdict is Verdict.BLIND
    assert "cannot be observed from here" in seen.seen and "resolver" in seen.hint
    done = subprocess.run(["bash", "-c", made.shell()], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 1 and "is in a private zone" in done.stderr


def test_the_resolver_of_a_vpc_is_asked_to_resolve_and_proves_nothing_alone(serve: Callable[..., Server]) -> None:
    resolver = serve(4, authoritative=False)
    made = TtlVisible(
        zone="shop.test",
        record="api.shop.test",
        record_type="CNAME",
        wanted=5,
        private=True,
        servers=lambda: [resolver.address],
    )
    seen = made.look()
    assert seen.verdict is Verdict.PASS and "not proved by this alone" in seen.seen
    assert resolver.recursion_wanted == [True]
    assert "+recurse" in made.shell()
    resolver.ttl = 60
    assert made.look().verdict is Verdict.INSUFFICIENT


def test_a_name_is_never_asked_of_a_resolver_that_would_remember_that_it_is_missing(
    serve: Callable[..., Server],
) -> None:
    server = serve(5, name="other.test.")
    for _ in range(3):
        check(server.address).look()
    assert server.recursion_wanted == [False] * 3


def test_servers_that_are_nowhere_said_are_not_seen() -> None:
    def servers() -> tuple[str, ...]:
        raise Refused("env:SHOP_DNS_SERVERS: this environment variable is not set")

    made = TtlVisible(zone="z.test", record="r.z.test", record_type="A", wanted=5, servers=servers)
    assert (made.look().verdict, "SHOP_DNS_SERVERS" in made.look().seen) == (Verdict.BLIND, True)
