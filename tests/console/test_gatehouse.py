"""What every request passes, asked by whom no browser is: other hosts, other pages, other methods, other sizes."""

import itertools
import socket
import threading
from collections.abc import Iterator

import pytest
import requests
from shop_floor import ONCE, VIEWER, Desk, answering
from wire import connected, cookie_of, request, rest, said, status

from cutover.console.door import HEAD, Patience
from cutover.console.gatehouse import LARGEST, POLICY, SECURITY

DO = b'{"environment": "shop", "reason": "as agreed", "once": "%s"}' % ONCE.encode()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with answering(lines=5, proxied=["console.example.com"]) as desk:
        yield desk


@pytest.fixture(scope="module")
def browser(desk: Desk) -> requests.Session:
    return desk.browser()


def headers(browser: requests.Session, **changed: str | None) -> list[str]:
    """Those of the page's own POST, some of them changed or (None) left out."""
    usual: dict[str, str | None] = {
        "Cookie": cookie_of(browser),
        "X-Cutover-Token": str(browser.headers["X-Cutover-Token"]),
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json",
        "Content-Length": str(len(DO)),
    }
    usual |= {name.replace("_", "-"): value for name, value in changed.items()}
    return [f"{name}: {value}" for name, value in usual.items() if value is not None]


def acted(desk: Desk, browser: requests.Session, *, host: str | None = None, **changed: str | None) -> tuple[int, int]:
    """The status that a POST of `break` got, and how often it was done."""
    before = len(desk.buttons.done)
    answer = said(desk, request(desk, "POST /do/break HTTP/1.1", *headers(browser, **changed), body=DO, host=host))
    assert not answer.startswith(b"HTTP/1.1 2")
    return status(answer), len(desk.buttons.done) - before


def test_the_pages_own_request_comes_through(desk: Desk, browser: requests.Session) -> None:
    """`break` fails behind the gatehouse, so that 500 and one deed mean that nothing held it up."""
    once = itertools.count()
    for own in ({}, {"Sec_Fetch_Site": None, "Origin": desk.address}, {"Origin": desk.address}, {"Content_Type": "Application/JSON; charset=utf-8"}):  # fmt: skip
        body = DO.replace(ONCE[:2].encode(), b"%02x" % next(once))
        before = len(desk.buttons.done)
        answer = said(desk, request(desk, "POST /do/break HTTP/1.1", *headers(browser, **own), body=body))
        assert (status(answer), len(desk.buttons.done) - before) == (500, 1), (own, answer)
    assert all("a secret" not in line and "KeyError" in line for line in desk.heard)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),  # another port of this machine is the same site
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Sec_Fetch_Site": "same-origin, cross-site"}, 403),
        ({"Sec_Fetch_Site": None}, 403),  # and no Origin either
        ({"Sec_Fetch_Site": None, "Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": None, "Origin": "null"}, 403),
        ({"Sec_Fetch_Site": None, "Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": None, "Origin": "http://127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"}, 403),
        ({"X_Cutover_Token": None}, 403),
        ({"X_Cutover_Token": "wrong"}, 403),
        ({"X_Cutover_Token": "\xfcml\xe4ut"}, 403),
        ({"Cookie": None}, 401),
        ({"Cookie": "cutover-console-1=x"}, 401),
        ({"Content_Type": "text/plain"}, 415),  # what a form can send
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "text/plain; application/json"}, 415),
        ({"Content_Type": None}, 415),
    ],
)  # fmt: skip
def test_what_another_page_could_send_does_nothing(
    desk: Desk, browser: requests.Session, changed: dict[str, str | None], code: int
) -> None:
    assert acted(desk, browser, **changed) == (code, 0)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/", "/events", "/lines?before=3", "/curves", "/session", "/static/feed.js"])
def test_other_pages_may_lead_here_and_embed_nothing(
    desk: Desk, browser: requests.Session, path: str, site: str
) -> None:
    for mode in ("navigate", "cors", "no-cors"):
        asked = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        answer = browser.head(desk.address + path, headers=asked, timeout=10)
        assert answer.status_code == (200 if path == "/" and mode == "navigate" else 403)


def test_the_token_of_another_session_is_none(desk: Desk, browser: requests.Session) -> None:
    other = desk.browser(VIEWER)
    assert acted(desk, browser, X_Cutover_Token=str(other.headers["X-Cutover-Token"])) == (403, 0)


@pytest.mark.parametrize("name", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "localhost.:{port}", "127.0.0.1:{port}.evil.example", "", "[::1]", "127.1:{port}", "console.example.com:{port}"])  # fmt: skip
def test_a_name_that_is_not_ours_gets_nothing(desk: Desk, browser: requests.Session, name: str) -> None:
    """A DNS name that is made to point at this machine would make a foreign page ours."""
    host = name.format(port=desk.console.port)
    assert acted(desk, browser, host=host, Origin=f"http://{host}") == (421, 0) if host else (400, 0)
    answer = said(desk, request(desk, "GET / HTTP/1.1", f"Cookie: {cookie_of(browser)}", host=host))
    assert status(answer) in (400, 421) and b"entry" not in answer


@pytest.mark.parametrize("name", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "console.example.com"])  # fmt: skip
def test_our_names_are_answered(desk: Desk, name: str) -> None:
    answer = said(desk, request(desk, "GET / HTTP/1.1", host=name.format(port=desk.console.port)))
    assert status(answer) == 200


def test_behind_a_proxy_the_cookie_is_for_https_and_so_is_the_origin(desk: Desk) -> None:
    for scheme, code in (("http", 403), ("https", 204)):
        body = b'{"token": "%s"}' % desk.token().encode()
        asked = (
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"Origin: {scheme}://console.example.com",
        )
        answer = said(desk, request(desk, "POST /session HTTP/1.1", *asked, body=body, host="console.example.com"))
        assert status(answer) == code and (b"; Secure" in answer) == (code == 204)


def test_what_a_client_says_about_a_proxy_is_not_believed(desk: Desk) -> None:
    asked = ("X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Forwarded-For: 1.2.3.4", "Forwarded: host=evil.example")  # fmt: skip
    body = b'{"token": "%s"}' % desk.token().encode()
    given = ["Content-Type: application/json", f"Content-Length: {len(body)}", f"Origin: {desk.address}"]
    answer = said(desk, request(desk, "POST /session HTTP/1.1", *given, *asked, body=body))
    assert status(answer) == 204 and b"Secure" not in answer and b"evil" not in answer


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "BREW"])
@pytest.mark.parametrize("path", ["/", "/do/break", "/static/feed.js"])
def test_other_methods_are_not_served(desk: Desk, method: str, path: str) -> None:
    answer = said(desk, request(desk, f"{method} {path} HTTP/1.1", "Origin: https://evil.example", "Access-Control-Request-Method: POST"))  # fmt: skip
    assert status(answer) == 405 and b"allow: GET, HEAD, POST" in answer and b"access-control" not in answer.lower()


def test_head_says_what_get_would_without_a_body(desk: Desk, browser: requests.Session) -> None:
    for path in ("/", "/curves", "/lines?before=3", "/static/feed.js", "/events", "/session"):
        answer = browser.head(desk.address + path, timeout=10)
        assert answer.status_code == 200 and not answer.content, path


def every_answer(desk: Desk, browser: requests.Session) -> Iterator[tuple[str, bytes]]:
    cookie = f"Cookie: {cookie_of(browser)}"
    for path in (
        "/",
        "/curves",
        "/nowhere",
        "/static/nowhere",
        "/static/feed.js",
        "/lines?before=x",
        "/do/hold",
        "/session",
    ):
        yield path, said(desk, request(desk, f"GET {path} HTTP/1.1", cookie))
    yield "foreign", said(desk, request(desk, "GET / HTTP/1.1", host="evil.example"))
    yield "method", said(desk, request(desk, "PUT / HTTP/1.1"))
    yield "garbage", said(desk, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    yield "no host", said(desk, request(desk, "GET / HTTP/1.1", host=""))
    yield "large", said(desk, request(desk, "POST /session HTTP/1.1", "Content-Length: 999999999"))
    yield "headers", said(desk, request(desk, "GET / HTTP/1.1", "X: " + "x" * HEAD * 2))
    yield "failed", said(desk, request(desk, "POST /do/break HTTP/1.1", *headers(browser), body=DO))
    yield "upgrade", said(desk, request(desk, "GET /events HTTP/1.1", "Upgrade: websocket"))


def test_every_answer_has_the_headers(desk: Desk, browser: requests.Session) -> None:
    for name, answer in every_answer(desk, browser):
        head = answer.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
        fields = [line.partition(": ")[::2] for line in head[1:]]
        assert all([value for key, value in fields if key == one] == [wanted.lower()] for one, wanted in SECURITY.items()), (name, head)  # fmt: skip
        cache = "no-cache" if name.startswith("/static/") else "no-store"
        assert [value for key, value in fields if key == "cache-control"] == [cache], (name, head)
        assert not any(key in ("server", "x-powered-by") or key.startswith("access-control") for key, _ in fields), name
    assert "unsafe" not in POLICY and "*" not in POLICY


def test_static_files_are_cached_by_their_etag(desk: Desk) -> None:
    first = requests.get(f"{desk.address}/static/feed.js", timeout=10)
    assert "javascript" in first.headers["content-type"]
    again = requests.get(f"{desk.address}/static/feed.js", headers={"If-None-Match": first.headers["etag"]}, timeout=10)
    assert again.status_code == 304 and not again.content


@pytest.mark.parametrize("path", ["/static/../pages.py", "/static/..%2fpages.py", "/static/%2e%2e/pages.py", "/static//etc/passwd", "/static/..\\pages.py", "/static/%00", "/static/", "/static", "/static/./../templates/page.html.j2", "/..", "//evil.example/", "http://evil.example/static/feed.js", "/static/" + "x" * 300])  # fmt: skip
def test_only_static_files_are_files(desk: Desk, path: str) -> None:
    answer = said(desk, request(desk, f"GET {path} HTTP/1.1"))
    assert status(answer) in (400, 404), answer
    assert b"import" not in answer and b"root:" not in answer and b"\r\nlocation:" not in answer.lower()


def test_no_answer_can_be_split_by_what_is_asked(desk: Desk, browser: requests.Session) -> None:
    injected = "%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a"
    for path in (
        f"/{injected}",
        f"/do/{injected}",
        f"/static/{injected}",
        f"/lines?before={injected}",
        f"/lines/?{injected}",
    ):
        answer = said(desk, request(desk, f"GET {path} HTTP/1.1", f"Cookie: {cookie_of(browser)}"))
        assert status(answer) in (400, 404, 405) and b"set-cookie" not in answer.lower(), answer


@pytest.mark.parametrize("double", ["Origin: https://evil.example", "Content-Type: text/plain", "Sec-Fetch-Site: cross-site", "X-Cutover-Token: x", "Host: evil.example"])  # fmt: skip
def test_a_header_that_is_sent_twice_is_believed_in_neither_way(
    desk: Desk, browser: requests.Session, double: str
) -> None:
    before = len(desk.buttons.done)
    given = headers(browser, Origin=desk.address)
    answer = said(desk, request(desk, "POST /do/break HTTP/1.1", *given, double, body=DO))
    assert status(answer) in (400, 403) and len(desk.buttons.done) == before


@pytest.mark.parametrize(("size", "code"), [(LARGEST, 400), (LARGEST + 1, 413), (65 * 1024, 413)])
def test_a_body_of_64_kib_is_read_and_none_that_is_larger(
    desk: Desk, browser: requests.Session, size: int, code: int
) -> None:
    """The largest one is read, and refused for a word that is too long."""
    body = DO.replace(b'"shop"', b'"shop' + b" " * (size - len(DO)) + b'"')
    before = len(desk.buttons.done)
    given = headers(browser, Content_Length=str(size))
    assert status(said(desk, request(desk, "POST /do/break HTTP/1.1", *given, body=body))) == code
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    given = headers(browser, Content_Length=None, Transfer_Encoding="chunked")
    assert status(said(desk, request(desk, "POST /do/break HTTP/1.1", *given, body=chunks))) == code
    assert len(desk.buttons.done) == before


def test_a_body_without_an_end_is_given_up() -> None:
    with answering(patience=Patience(request=0.5)) as desk:
        inside = desk.browser()
        given = headers(inside, Content_Length=None, Transfer_Encoding="chunked")
        with connected(desk) as line:
            line.sendall(request(desk, "POST /do/break HTTP/1.1", *given))
            stop = threading.Event()
            sender = threading.Thread(target=endless, args=(line, stop))
            sender.start()
            answer = rest(line)
            stop.set()
            sender.join(20)
        assert status(answer) in (0, 413) and not desk.buttons.done
        assert requests.get(desk.address, timeout=10).status_code == 200


def endless(line: socket.socket, stop: threading.Event) -> None:
    """Chunks, until the other end has had enough."""
    try:
        while not stop.is_set():
            line.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    except OSError:
        pass


@pytest.mark.parametrize("head", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_what_only_looks_brings_no_body(desk: Desk, head: str) -> None:
    assert status(said(desk, request(desk, "GET / HTTP/1.1", head, body=b"0\r\n\r\n"))) == 400


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: ", b"POST /session HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\n{"])  # fmt: skip
def test_a_request_that_never_ends_is_thrown_away(begun: bytes) -> None:
    with answering(patience=Patience(request=0.3)) as desk:
        whole = begun.replace(b"%d", str(desk.console.port).encode())
        with connected(desk) as line:
            line.sendall(whole)
            assert status(rest(line)) in (0, 400)


def test_one_byte_now_and_then_does_not_buy_more_time() -> None:
    with answering(patience=Patience(request=0.5)) as desk, connected(desk) as line:
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        line.settimeout(0.05)
        assert any(gone(line) for _ in range(200)), "it goes on for ever"


def gone(line: socket.socket) -> bool:
    """Sends one byte; whether the other end has gone."""
    try:
        line.sendall(b"x")
        return not line.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_the_second_request_of_a_connection_has_its_time_too() -> None:
    with answering(patience=Patience(request=0.3, keep_alive=30)) as desk, connected(desk) as line:
        line.sendall(request(desk, "GET /session HTTP/1.1").replace(b"Connection: close\r\n", b""))
        assert line.recv(65_536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /")
        rest(line)
