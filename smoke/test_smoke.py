"""What the shop must be able to do right after a cutover, each by one plain function."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

if TYPE_CHECKING:
    from smoke.conftest import Side

CUSTOMER = 1  # the smoke tests' own customer
DELIVERED_WITHIN = 10.0  # seconds


def smoke_order(key: str | None = None) -> dict[str, object]:
    """An order that can be told from a customer's: by its channel, and by the name its key is made from."""
    key = key or str(uuid5(NAMESPACE_URL, f"smoke:{uuid4()}"))
    lines = [{"product_id": 1, "quantity": 1}]
    return {"idempotency_key": key, "customer_id": CUSTOMER, "channel": "smoke", "lines": lines}


def test_health(side: Side, version: str | None) -> None:
    answer = side.get("/health")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["status"] == "ok"
    assert set(found) == {"status", "version"}
    if version is not None:
        assert found["version"] == version
        assert answer.headers["x-shop-version"] == version


def test_metrics(side: Side) -> None:
    side.get("/health")
    answer = side.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "shop_requests_total{" in answer.text
    assert "shop_request_seconds_bucket{" in answer.text


def test_search_finds_products(side: Side) -> None:
    answer = side.get("/api/search", params={"q": "teapot"})
    assert answer.status_code == 200, answer.text
    found = answer.json()["results"]
    assert found, "the catalogue has no teapot: is the data there?"
    assert all("teapot" in product["title"].lower() for product in found)
    product = side.get(f"/api/products/{found[0]['product_id']}")
    assert product.status_code == 200
    assert product.json()["sku"] == found[0]["sku"]


def test_creator_portal(side: Side) -> None:
    page = side.get("/creators/1", headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<h1>" in page.text
    assert side.get("/creators/1", headers={"Accept": "application/json"}).json()["creator_id"] == 1


def test_mail_outbox_is_not_stuck(side: Side) -> None:
    answer = side.get("/outbox")
    assert answer.status_code == 200, answer.text
    assert answer.json()["oldest_seconds"] < 60, "mail has been waiting for more than a minute"


def test_mcp_initialize(side: Side, version: str | None) -> None:
    client = {"name": "cutover-smoke", "version": "1"}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    answer = side.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["jsonrpc"], found["id"]) == ("2.0", 1)
    assert found["result"]["protocolVersion"] == "2025-06-18"
    assert found["result"]["serverInfo"]["name"] == "shop"
    if version is not None:
        assert found["result"]["serverInfo"]["version"] == version


@pytest.mark.writes
def test_checkout_takes_an_order_once(side: Side) -> None:
    order = smoke_order(os.environ.get("SMOKE_KEY"))
    first = side.post("/api/checkout", order)
    assert first.status_code == 201, first.text
    assert first.json()["idempotency_key"] == order["idempotency_key"]
    assert first.json()["order_id"] > 0
    assert first.json()["invoice_no"] > 0
    again = side.post("/api/checkout", order)
    assert again.status_code == 200, again.text
    assert again.json() == first.json()


@pytest.mark.writes
def test_the_mail_of_an_order_is_delivered(side: Side) -> None:
    order = side.post("/api/checkout", smoke_order()).json()
    end = time.monotonic() + DELIVERED_WITHIN
    while True:
        mail = side.get("/outbox", params={"order_id": order["order_id"]}).json()
        if mail["delivered"] == 1:
            break
        assert time.monotonic() < end, f"not delivered within {DELIVERED_WITHIN:g} s: {mail}"
        time.sleep(0.1)
    assert mail["queued"] == 0


@pytest.mark.writes
def test_payment_webhook_is_received_once(side: Side) -> None:
    event = {"event_id": str(uuid5(NAMESPACE_URL, f"smoke:{uuid4()}")), "type": "payment.settled", "channel": "smoke"}
    first = side.post("/webhooks/payment", event)
    assert first.status_code == 200, first.text
    assert first.json() == {"received": event["event_id"], "duplicate": False}
    assert side.post("/webhooks/payment", event).json()["duplicate"] is True
