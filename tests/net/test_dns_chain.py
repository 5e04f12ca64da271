"""CNAMEs in front of a hostname: where they lead, and for how long their answers are kept."""

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from name_servers import Server

from cutover.core.gate import Finding, Verdict
from cutover.net.dns_chain import LeadsHere


def look(server: str, *above: tuple[str, int]) -> Finding:
    return LeadsHere(host="api.shop.test", above=above, servers=lambda: [server]).look()


def test_a_chain_that_leads_here_within_its_ttl_passes(serve: Callable[..., Server]) -> None:
    www = serve(300, name="www.shop.test.")
    www.target = "API.shop.test."
    seen = look(www.address, ("www.shop.test", 300))
    assert (seen.verdict, seen.seen) == (Verdict.PASS, "1 CNAMEs lead to api.shop.test, kept for at most 300 s")


def test_a_cname_may_lead_to_another_one_of_the_chain(serve: Callable[..., Server]) -> None:
    old = serve(60, name="old.shop.test.")
    old.target = "www.shop.test."
    seen = look(old.address, ("old.shop.test", 60), ("www.shop.test", 300))
    assert "old.shop.test" not in seen.seen and "www.shop.test at" in seen.seen


def test_a_longer_ttl_than_the_plan_counts_with_fails(serve: Callable[..., Server]) -> None:
    www = serve(3600, name="www.shop.test.")
    www.target = "api.shop.test."
    seen = look(www.address, ("www.shop.test", 300))
    assert seen.verdict is Verdict.FAIL
    assert seen.seen == "www.shop.test has a TTL of 3600 s, the plan counts with 300 s"


def test_a_name_that_leads_elsewhere_or_nowhere_fails(serve: Callable[..., Server]) -> None:
    www = serve(60, name="www.shop.test.")
    assert (
        look(www.address, ("www.shop.test", 60)).seen == "www.shop.test leads to elsewhere.test, not to api.shop.test"
    )
    assert "no CNAME record" in look(www.address, ("nope.shop.test", 60)).seen


def test_silent_servers_are_blind() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("127.0.0.1", 0))
        assert look(f"127.0.0.1:{deaf.getsockname()[1]}", ("www.shop.test", 60)).verdict is Verdict.BLIND


def test_what_is_printed_holds_each_ttl_against_its_own_limit(tmp_path: Path) -> None:
    stand_in = tmp_path / "dig"
    stand_in.write_text('#!/bin/sh\necho "$5. $TTL IN CNAME api.shop.test."\n')
    stand_in.chmod(0o755)
    made = LeadsHere(host="api.shop.test", above=(("www.shop.test", 300), ("old.shop.test", 600)))

    def code(ttl: int) -> int:
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TTL": str(ttl)}
        return subprocess.run(["bash", "-euo", "pipefail", "-c", made.shell()], env=environment, check=False).returncode

    assert (code(300), code(301)) == (0, 1)
