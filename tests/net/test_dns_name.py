"""Where a name leads, as authoritative servers answer."""

import os
import subprocess
from collections.abc import Callable

from name_servers import Server

from cutover.core.gate import Verdict
from cutover.net.dns_name import NameLeads


def check(*servers: str, wanted: str = "Green.test") -> NameLeads:
    return NameLeads(zone="shop.test", record="api.shop.test", wanted=wanted, servers=lambda: servers)


def test_every_server_must_lead_there(serve: Callable[..., Server]) -> None:
    one, other = serve(5), serve(5)
    one.target = "green.TEST."
    seen = check(one.address, other.address).look()
    assert (seen.verdict, seen.seen) == (
        Verdict.INSUFFICIENT,
        f"api.shop.test does not lead to Green.test everywhere: {other.address}: elsewhere.test",
    )
    other.target = "green.test."
    assert check(one.address, other.address).look().verdict is Verdict.PASS


def test_what_cannot_be_asked_is_blind_and_what_answers_badly_is_not_yet(serve: Callable[..., Server]) -> None:
    assert check().look().verdict is Verdict.BLIND
    assert check("127.0.0.1:1").look().verdict is Verdict.BLIND
    for odd, words in (
        (serve(5, authoritative=False), "not authoritative"),
        (serve(5, name="other.test."), "no CNAME record"),
    ):
        seen = check(odd.address, "127.0.0.1:1", wanted="elsewhere.test").look()
        assert seen.verdict is Verdict.INSUFFICIENT and words in seen.seen and "127.0.0.1:1: no answer" in seen.seen


def test_what_is_printed_says_the_same(serve: Callable[..., Server]) -> None:
    one, other = serve(5), serve(5)
    made = check("of the shell")

    def typed() -> int:
        environment = {"PATH": os.environ["PATH"], "SHOP_DNS_SERVERS": f"{one.address},{other.address}"}
        line = ["bash", "-euo", "pipefail", "-c", made.shell()]
        return subprocess.run(line, env=environment, capture_output=True, timeout=30, check=False).returncode

    one.target = "green.test."
    assert typed() != 0
    other.target = "green.test."
    assert typed() == 0
