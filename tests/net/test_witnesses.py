"""Draws at name servers and by requests, on real packets and connections."""

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from name_servers import Server
from web_servers import Web

from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.net.drawn_names import NameServerDraws
from cutover.net.tagged import TaggedResponses

SIDES = {"elb-blue.test": "blue", "ELB-green.test.": "green"}


@pytest.fixture
def web() -> Iterator[Callable[..., Web]]:
    made: list[Web] = []

    def make(side: Callable[[], str | None]) -> Web:
        made.append(Web(side))
        return made[-1]

    yield make
    for one in made:
        one.close()


def names(*servers: Server, **more: Any) -> NameServerDraws:
    words: dict[str, Any] = {
        "zone": "shop.test",
        "record": "api.shop.test",
        "record_type": "CNAME",
        "sides": lambda: SIDES,
        "sides_shell": "blue=elb-blue.test green=elb-green.test",
        "servers": lambda: [server.address for server in servers],
        "servers_shell": ",".join(server.address for server in servers),
    }
    return NameServerDraws(**{**words, **more})


def tagged(server: Server, **more: Any) -> TaggedResponses:
    server.target = "localhost."
    words: dict[str, Any] = {
        "host": "api.shop.test",
        "tag": "x-version",
        "blue": "v1",
        "green": "v2",
        "scheme": "http",
        "servers": lambda: [server.address],
        "servers_shell": server.address,
    }
    return TaggedResponses(**{**words, **more})


def soon() -> Deadline:
    return Deadline.after(20)


def bash(script: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_each_server_is_drawn_at_without_recursion(serve: Callable[..., Server]) -> None:
    blue, green = serve(60), serve(60)
    blue.target, green.target = "elb-blue.test.", "ELB-Green.test."
    tally = names(blue, green).seen(10, soon())
    assert (tally.blue, tally.green, tally.other) == (5, 5, 0)
    assert not any(blue.recursion_wanted + green.recursion_wanted)


def test_an_answer_that_is_neither_sides_is_told(serve: Callable[..., Server]) -> None:
    known, stranger = serve(60), serve(60)
    known.target, stranger.target = "elb-blue.test.", "third.test."
    tally = names(known, stranger).seen(10, soon())
    assert (tally.blue, tally.green, tally.other) == (5, 0, 5)
    assert "third.test" in tally.remark


def test_a_server_that_refuses_costs_its_draws_only(serve: Callable[..., Server]) -> None:
    known, lame = serve(60), serve(60, authoritative=False)
    known.target = "elb-blue.test."
    tally = names(known, lame).seen(10, soon())
    assert (tally.blue, tally.other) == (5, 5)
    assert "not authoritative" in tally.remark


def test_servers_that_say_nothing_are_no_witness(serve: Callable[..., Server]) -> None:
    with pytest.raises(Unreachable, match="not authoritative"):
        names(serve(60, authoritative=False)).seen(10, soon())
    with pytest.raises(Unreachable, match="no name server"):
        names().seen(10, soon())


def test_the_printed_draws_tell_the_same(serve: Callable[..., Server]) -> None:
    blue, green = serve(60), serve(60)
    blue.target, green.target = "elb-blue.test.", "ELB-Green.test."
    assert sorted(bash(names(blue, green).shell(6))) == ["blue"] * 3 + ["green"] * 3


def test_requests_come_as_visitors_do_and_carry_nothing_over(
    serve: Callable[..., Server], web: Callable[..., Web]
) -> None:
    versions = itertools.cycle(["v1", "v2", "v2", "v2"])
    site = web(lambda: next(versions))
    tally = tagged(serve(60), port=site.port, path="/health").seen(20, soon())
    assert (tally.blue, tally.green, tally.other) == (5, 15, 0)
    assert {one["Host"] for one in site.requests} == {"api.shop.test"}
    assert {one["path"] for one in site.requests} == {"/health"}
    assert not any("Cookie" in one for one in site.requests)
    assert len(site.connections) == 20, (
        "a connection that lives on is no new draw at a balancer that draws by connection"
    )


def test_the_tag_may_stand_in_the_body(serve: Callable[..., Server], web: Callable[..., Web]) -> None:
    site = web(lambda: "v2")
    tally = tagged(serve(60), port=site.port, tag="app.version", in_body=True).seen(8, soon())
    assert tally.green == 8


def test_responses_without_a_tag_tell_no_side(serve: Callable[..., Server], web: Callable[..., Web]) -> None:
    answers = itertools.cycle(["v1", None])
    site = web(lambda: next(answers))
    tally = tagged(serve(60), port=site.port).seen(10, soon())
    assert (tally.blue, tally.green, tally.other) == (5, 0, 5)
    assert "status 502 without x-version" in tally.remark


def test_an_edge_that_does_not_answer_is_no_witness(serve: Callable[..., Server], web: Callable[..., Web]) -> None:
    site = web(lambda: "v1")
    site.close()
    with pytest.raises(Unreachable, match="ConnectionRefused"):
        tagged(serve(60), port=site.port).seen(50, soon())


def test_a_name_without_a_port_says_so(serve: Callable[..., Server]) -> None:
    with pytest.raises(Unreachable, match="no SRV record"):
        tagged(serve(60)).seen(5, soon())


def test_a_name_whose_records_nobody_moves_is_looked_up_as_usual(web: Callable[..., Web]) -> None:
    site = web(lambda: "v2")
    witness = TaggedResponses(host="localhost", tag="X-Version", blue="v1", green="v2", scheme="http", port=site.port)
    assert witness.seen(5, soon()).green == 5
    assert bash(witness.shell(3)) == ["green"] * 3


@pytest.mark.parametrize("in_body", [False, True])
def test_the_printed_requests_tell_the_same(
    serve: Callable[..., Server], web: Callable[..., Web], in_body: bool
) -> None:
    versions = itertools.cycle(["v1", "v2"])
    site = web(lambda: next(versions))
    tag = {"tag": "app.version", "in_body": True} if in_body else {}
    assert sorted(bash(tagged(serve(60), port=site.port, **tag).shell(4))) == ["blue", "blue", "green", "green"]
