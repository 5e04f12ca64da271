"""The demo shop over HTTP: `python -m cutover.world.shop --world WORLD --name shop-v1 --version v1`.

The database is found through SHOP_APP_DSN, the one for webhooks through HOOKS_APP_DSN where there is one. A database that
goes away in the middle of a request is latency for the caller, not an error, up to 8 s; after that the answer is 503 with
Retry-After.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from aiohttp import web

from cutover.world import shop_orders
from cutover.world.faults import Faults, Suffered
from cutover.world.ready_file import publish
from cutover.world.serving import until_told_to_end
from cutover.world.shop_database import Database
from cutover.world.shop_log import FOLDER, AccessLog, file_of
from cutover.world.shop_metrics import Metrics, resident_bytes

DEADLINE = 8.0  # seconds that a request may wait for its database, unless --deadline says otherwise
MAIL_EVERY = 0.5
CUSTOMERS = ("/api/", "/creators/")  # what customers ask for; everything else is asked by machines
MCP_VERSIONS = (
    "2025-06-18",
    "2025-03-26",
    "2024-11-05",
)  # newest first; modelcontextprotocol.io/specification

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shop:
    """One version of the shop; both versions run against either database."""

    def __init__(
        self,
        version: str,
        database: Database,
        deadline: float = DEADLINE,
        hooks: Database | None = None,
        suffered: Suffered | None = None,
        log: AccessLog | None = None,
    ) -> None:
        self.version = version
        self.suffered = suffered
        self.deadline = deadline
        self.database = database
        self.hooks = hooks or database
        self.metrics = Metrics(version)
        self.log = log

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._measured], client_max_size=64 * 1024)
        app.add_routes(
            [
                web.get("/health", self.health),
                web.get("/metrics", self.show_metrics),
                web.get("/whoami", self.whoami),
                web.get("/api/search", self.search),
                web.get("/api/products/{id:[0-9]{1,9}}", self.product),
                web.post("/api/checkout", self.checkout),
                web.post("/webhooks/payment", self.payment_webhook),
                web.get("/outbox", self.outbox),
                web.get("/creators/{id:[0-9]{1,9}}", self.creator_portal),
                web.post("/mcp", self.mcp),
            ]
        )
        return app

    @web.middleware
    async def _measured(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        try:
            response = await self._suffering(request) or await handler(request)
        except TimeoutError:
            response = _refuse(503, "the database did not answer in time", {"Retry-After": "1"})
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            response = _refuse(422, error.diag.message_primary or "the database refused the values")
        except web.HTTPException as refused:
            response = _refuse(refused.status, refused.reason)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        took = time.monotonic() - began
        self.metrics.count(request.method, route, response.status, took)
        if self.log is not None:
            self.log.note(request.method, route, response.status, took)
        response.headers["x-shop-version"] = self.version
        return response

    async def _suffering(self, request: web.Request) -> web.Response | None:
        """What goes wrong for a customer's request because somebody wants it to; nothing has been done for it then."""
        if self.suffered is None or not request.path.startswith(CUSTOMERS):
            return None
        faults = self.suffered.now()
        if faults.latency:
            await asyncio.sleep(faults.latency)
        if self.suffered.errors.falls_on(faults.errors):
            return _refuse(500, "injected: an error of the shop")
        if request.path == "/api/checkout" and self.suffered.payments.falls_on(faults.payments):
            self.metrics.payment_errors += 1
            return _refuse(502, "injected: the payment provider refuses")
        return None

    async def health(self, request: web.Request) -> web.Response:
        """Says that the process serves; on purpose without the database, which both versions share during a cutover."""
        return web.json_response({"status": "ok", "version": self.version})

    async def show_metrics(self, request: web.Request) -> web.Response:
        faults = self.suffered.now() if self.suffered is not None else Faults()
        if faults.silent:
            return _refuse(503, "injected: no metrics")
        leaked = faults.leaked(time.time())
        text = self.metrics.text(database_retries=self.database.retries, memory=resident_bytes() + leaked)
        return web.Response(
            text=text,
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def whoami(self, request: web.Request) -> web.Response:
        where = await self.database.read(shop_orders.whereabouts, self.deadline)
        return web.json_response(
            {
                "version": self.version,
                "writable": where.pop("writable"),
                "database": where,
            }
        )

    async def search(self, request: web.Request) -> web.Response:
        words = request.query.get("q", "")
        found = await self.database.read(lambda connection: shop_orders.search(connection, words), self.deadline)
        return web.json_response({"query": words, "results": found})

    async def product(self, request: web.Request) -> web.Response:
        wanted = int(request.match_info["id"])
        found = await self.database.read(lambda connection: shop_orders.product(connection, wanted), self.deadline)
        return _refuse(404, "no such product") if found is None else web.json_response(found)

    async def checkout(self, request: web.Request) -> web.Response:
        """Takes an order: 201 when it is new, 200 with the first answer when the idempotency key is known."""
        body = await _body(request)
        try:
            key, customer = (
                UUID(str(body["idempotency_key"])),
                int(str(body["customer_id"])),
            )
            given = body["lines"]
            lines = [
                {
                    "product_id": int(line["product_id"]),
                    "quantity": int(line["quantity"]),
                }
                for line in given
            ]
        except (KeyError, TypeError, ValueError) as error:
            return _refuse(400, f"not an order: {error}")
        if not 0 < len(lines) <= 50:
            return _refuse(400, "an order has 1 to 50 lines")
        payload = {
            "channel": str(body.get("channel", "web"))[:40],
            "version": self.version,
        }
        order, fresh = await self.database.write(
            lambda connection: shop_orders.checkout(connection, key, customer, lines, payload),
            self.deadline,
        )
        return web.json_response(order, status=201 if fresh else 200)

    async def payment_webhook(self, request: web.Request) -> web.Response:
        body = await _body(request)
        try:
            event = UUID(str(body["event_id"]))
        except (KeyError, ValueError) as error:
            return _refuse(400, f"not a payment event: {error}")
        fresh = await self.hooks.write(lambda connection: shop_orders.webhook(connection, event, body), self.deadline)
        return web.json_response({"received": str(event), "duplicate": not fresh})

    async def outbox(self, request: web.Request) -> web.Response:
        asked = request.query.get("order_id", "")
        if asked and not (asked.isdecimal() and len(asked) < 18):
            return _refuse(400, "order_id is a number")
        order = int(asked) if asked else None
        return web.json_response(await self.database.read(lambda c: shop_orders.outbox(c, order), self.deadline))

    async def creator_portal(self, request: web.Request) -> web.Response:
        wanted = int(request.match_info["id"])
        found = await self.database.read(lambda connection: shop_orders.creator(connection, wanted), self.deadline)
        if found is None:
            return _refuse(404, "no such creator")
        if "text/html" not in request.headers.get("Accept", ""):
            return web.json_response(found)
        name = html.escape(str(found["name"]))
        page = f"<!doctype html><title>{name}</title><h1>{name}</h1><p>Share of revenue: {found['share']}</p>"
        return web.Response(text=page, content_type="text/html")

    async def mcp(self, request: web.Request) -> web.Response:
        """Model Context Protocol over streamable HTTP, JSON-RPC 2.0; notifications are answered with 202."""
        call = await _body(request)
        method, given = call.get("method"), call.get("params")
        if "id" not in call:
            return web.Response(status=202)
        answer: dict[str, object] = {"jsonrpc": "2.0", "id": call["id"]}
        if call.get("jsonrpc") != "2.0" or not isinstance(method, str):
            answer["error"] = {"code": -32600, "message": "Invalid Request"}
        elif method == "initialize":
            asked = given.get("protocolVersion") if isinstance(given, dict) else None
            answer["result"] = {
                "protocolVersion": asked if asked in MCP_VERSIONS else MCP_VERSIONS[0],
                "capabilities": {"tools": {"listChanged": False}},
                "serverInfo": {"name": "shop", "version": self.version},
            }
        elif method == "ping":
            answer["result"] = {}
        elif method == "tools/list":
            answer["result"] = {"tools": []}
        else:
            answer["error"] = {"code": -32601, "message": f"Method not found: {method}"}
        return web.json_response(answer)

    async def deliver_mail(self) -> None:
        """Keeps delivering the outbox."""
        while True:
            with suppress(TimeoutError):
                await self.database.write(shop_orders.deliver_mail, self.deadline)
            await asyncio.sleep(MAIL_EVERY)


def _refuse(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": reason}, status=status, headers=headers)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        found = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(reason="the body is not a JSON object")
    return found


async def serve(world: Path, name: str, version: str, port: int, deadline: float) -> None:
    application = f"shop {version}"
    second = os.environ.get("HOOKS_APP_DSN")
    hooks = Database(second, name=application) if second else None
    folder = os.environ.get(FOLDER)
    log = AccessLog(Path(folder) / file_of(name), version) if folder else None
    first = Database(os.environ["SHOP_APP_DSN"], name=application)
    shop = Shop(version, first, deadline, hooks, Suffered(world, name), log)
    runner = web.AppRunner(shop.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    mail = asyncio.create_task(shop.deliver_mail())
    publish(world, name, {"port": runner.addresses[0][1], "version": version})
    await until_told_to_end(mail)
    await runner.cleanup()
    await shop.database.close()
    await shop.hooks.close()
    if log is not None:
        log.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--world", type=Path, required=True)
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--version", required=True)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--deadline", type=float, default=DEADLINE, help="seconds a request may take")
    given = arguments.parse_args()
    asyncio.run(serve(given.world, given.name, given.version, given.port, given.deadline))


if __name__ == "__main__":
    main()
