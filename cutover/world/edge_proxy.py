"""One request through a load balancer: find its rule, draw a group, pick a target, pass the answer on."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from cutover.world.edge_counts import Counts
from cutover.world.edge_rules import (
    Asked,
    Target,
    action_for,
    candidates,
    draw_group,
    kept_group,
    sticky_cookie,
    sticky_seconds,
)

TAG = "x-cutover-target-group"
COOKIE = "AWSALBTG"
_IDEMPOTENT = ("GET", "HEAD")
# RFC 9110, 7.6.1: these belong to one connection and are not passed on.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TITLES = {
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


class Proxy:
    """Carries requests to targets; `obey` swaps rules and targets in one assignment, so no request sees half of a change."""

    def __init__(self) -> None:
        self._rules: Mapping[int, Sequence[Mapping[str, Any]]] = {}
        self._names: Mapping[str, str] = {}
        self._targets: Mapping[str, Sequence[Target]] = {}
        self._chance = random.Random()
        self._turn = itertools.count()
        self._requests: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._fixed: Counter[str] = Counter()
        self._balancers: Mapping[int, str] = {}
        self.counts = Counts()

    async def __aenter__(self) -> Self:
        # AWS: 60 s idle timeout by default. Our keep-alive ends before any target's, so that no request meets a closing one.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
        settings: dict[str, Any] = {
            "timeout": timeout,
            "auto_decompress": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "skip_auto_headers": ("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        }
        self._reused = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0), **settings)
        # What must not be sent twice never goes over a connection that the target may just be closing.
        self._fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), **settings)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reused.close()
        await self._fresh.close()

    def obey(
        self,
        rules: Mapping[int, Sequence[Mapping[str, Any]]],
        groups: Mapping[str, Mapping[str, Any]],
        balancers: Mapping[int, str],
    ) -> None:
        """Rules and load balancer ARN by edge port, target groups by ARN, as the AWS endpoint describes them."""
        self._rules, self._balancers, self._names, self._targets = (
            rules,
            balancers,
            {arn: group["name"] for arn, group in groups.items()},
            {arn: tuple(Target(**target) for target in group["targets"]) for arn, group in groups.items()},
        )

    def counters(self) -> dict[str, object]:
        """Requests and 5xx answers per target group, answers of fixed-response actions by status, since the start."""
        return {
            "target_groups": {
                name: {"requests": self._requests[name], "http_5xx": self._errors[name]}
                for name in sorted({*self._names.values(), *self._requests})
            },
            "fixed_responses": dict(self._fixed),
        }

    async def handle(self, request: web.Request, port: int) -> web.StreamResponse:
        rules = self._rules.get(port)
        if rules is None:
            return _own(503)
        action = action_for(rules, _asked(request))
        match action["Type"]:
            case "forward":
                return await self._forward(request, action, self._balancers.get(port, ""))
            case "fixed-response":
                return self._fixed_response(action["FixedResponseConfig"])
        return _own(501)

    def _fixed_response(self, config: Mapping[str, str]) -> web.StreamResponse:
        status = config["StatusCode"]
        self._fixed[status] += 1
        body = (config.get("MessageBody") or "").encode()
        headers = {"Server": "awselb/2.0", "Content-Type": config.get("ContentType") or "text/plain"}
        return web.Response(status=int(status), body=body, headers=headers)

    async def _forward(self, request: web.Request, action: Mapping[str, Any], balancer: str) -> web.StreamResponse:
        cookies, now = request.cookies, time.time()
        kept = kept_group(action, cookies.get(COOKIE) or cookies.get(f"{COOKIE}CORS"), now)
        group = kept or draw_group(action, self._chance)
        if group is None:
            return _own(503)
        keeps = sticky_seconds(action)  # the cookie's life begins anew with each answer
        cookie = sticky_cookie(group, now + keeps) if keeps else ""
        name = self._names.get(group, "")
        self._requests[name] += 1
        body = await request.read()
        chosen = candidates(self._targets.get(group, ()))
        if not chosen:
            self._errors[name] += 1
            return _own(503)
        self.counts.add(balancer, group)  # AWS counts a request for which a target could be chosen
        start = next(self._turn)
        tries = 2 if request.method in _IDEMPOTENT else 1
        for attempt in range(min(tries, len(chosen))):
            try:
                return await self._pass_on(request, body, chosen[(start + attempt) % len(chosen)], name, cookie)
            except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, ConnectionResetError):
                continue  # no byte of an answer has come; nothing was sent to the client yet
            except (aiohttp.ClientError, ValueError):
                break
            except TimeoutError:
                self._errors[name] += 1
                return _own(504, name)
        self._errors[name] += 1
        return _own(502, name)

    async def _pass_on(
        self, request: web.Request, body: bytes, target: Target, name: str, cookie: str
    ) -> web.StreamResponse:
        session = self._reused if request.method in _IDEMPOTENT else self._fresh
        async with session.request(
            request.method,
            URL(f"http://{target.host}:{target.port}{request.raw_path}", encoded=True),
            headers=_towards_target(request),
            data=body if body else None,
            allow_redirects=False,
        ) as answer:
            if answer.status >= 500:
                self._errors[name] += 1
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for header, value in answer.headers.items():
                if header.lower() not in _HOP_BY_HOP:
                    response.headers.add(header, value)
            response.headers[TAG] = name
            if cookie:
                response.headers.add("Set-Cookie", f"{COOKIE}={cookie}; Path=/")
                response.headers.add("Set-Cookie", f"{COOKIE}CORS={cookie}; Path=/; SameSite=None; Secure")
            try:
                await response.prepare(request)
            except ConnectionError:
                return response  # the client has gone
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
                # Half an answer must not look whole: cut the client's connection as a load balancer does.
                if request.transport is not None:
                    request.transport.abort()
            except ConnectionError:
                pass  # the client has gone
            return response


def _asked(request: web.Request) -> Asked:
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), []).append(value)
    return Asked(
        method=request.method,
        host=request.host.rsplit(":", 1)[0] if request.host else "",
        path=request.path,
        query=list(request.query.items()),
        headers=headers,
        source=request.remote or "127.0.0.1",
    )


def _towards_target(request: web.Request) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _HOP_BY_HOP and name.lower() not in ("content-length", "expect")
    )
    seen = headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{seen}, {request.remote}" if seen else str(request.remote)
    headers["X-Forwarded-Proto"] = "http"
    headers["X-Forwarded-Port"] = "80"
    headers.setdefault("X-Amzn-Trace-Id", f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}")
    return headers


def _own(status: int, group: str = "") -> web.Response:
    """An answer of the load balancer itself, worded like the real one."""
    title = f"{status} {_TITLES[status]}"
    text = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    headers = {"Server": "awselb/2.0", "Content-Type": "text/html"} | ({TAG: group} if group else {})
    return web.Response(status=status, body=text.encode(), headers=headers)
