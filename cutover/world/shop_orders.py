"""What the shop asks its database; each writing function is one statement, so one transaction, and safe to repeat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]

# The order comes first: on a fenced side it fails before a sequence number is used up.
_CHECKOUT = """
WITH fresh AS (
  INSERT INTO shop.orders (idempotency_key, customer_id, invoice_no, status, payload)
  VALUES (%(key)s, %(customer)s, nextval('shop.invoice_no'), 'paid', %(payload)s::jsonb)
  ON CONFLICT (idempotency_key) DO NOTHING
  RETURNING order_id, invoice_no, customer_id),
wanted AS (
  SELECT * FROM ROWS FROM (jsonb_to_recordset(%(lines)s::jsonb) AS (product_id integer, quantity integer))
           WITH ORDINALITY AS w (product_id, quantity, line_no)),
lines AS (
  INSERT INTO shop.order_lines (order_id, line_no, product_id, quantity, unit_price)
  SELECT order_id, line_no, w.product_id, w.quantity, coalesce(p.price, 0)
    FROM fresh CROSS JOIN wanted w LEFT JOIN shop.products p USING (product_id)
  RETURNING amount),
payment AS (
  INSERT INTO shop.payments (order_id, amount, receipt)
  SELECT order_id, (SELECT coalesce(sum(amount), 0) FROM lines), sha256(%(key)s::text::bytea) FROM fresh),
mail AS (
  INSERT INTO shop.outbox (order_id, recipient, subject)
  SELECT order_id, email, 'Your order ' || invoice_no FROM fresh JOIN shop.customers USING (customer_id)),
event AS (
  INSERT INTO shop.events (kind, details) SELECT 'bought', jsonb_build_object('order', order_id) FROM fresh)
SELECT order_id, invoice_no FROM fresh"""

_KNOWN = "SELECT order_id, invoice_no FROM shop.orders WHERE idempotency_key = %(key)s"

_PRODUCT = "SELECT product_id, sku, title, price::text, tags FROM shop.products WHERE product_id = %(id)s"

_SEARCH = """SELECT product_id, sku, title, price::text FROM shop.products
              WHERE strpos(lower(title), lower(%(q)s)) > 0 ORDER BY product_id LIMIT 20"""

_DELIVER = """UPDATE shop.outbox SET state = 'delivered', delivered_at = clock_timestamp()
               WHERE outbox_id IN (SELECT outbox_id FROM shop.outbox WHERE state = 'queued' ORDER BY outbox_id
                                    LIMIT 500 FOR UPDATE SKIP LOCKED)"""

_OUTBOX = """SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
                    count(*) FILTER (WHERE state = 'delivered') AS delivered,
                    coalesce(extract(epoch FROM now() - min(queued_at) FILTER (WHERE state = 'queued')), 0)::float8
                      AS oldest_seconds
               FROM shop.outbox WHERE %(order)s::bigint IS NULL OR order_id = %(order)s::bigint"""

_WEBHOOK = """INSERT INTO public.webhooks (event_id, body) VALUES (%(event)s, %(body)s::jsonb)
              ON CONFLICT (event_id) DO NOTHING RETURNING receipt"""

_CREATOR = "SELECT creator_id, name, share::text FROM public.creators WHERE creator_id = %(id)s"

# The catalog, not the session's own setting: an old session keeps the default that it began with.
_WHERE = """SELECT current_setting('cluster_name') AS name, current_setting('port')::int AS port,
                   s.system_identifier::text AS system,
                   NOT EXISTS (SELECT FROM pg_db_role_setting r JOIN pg_database d ON d.oid = r.setdatabase
                                WHERE d.datname = current_database() AND r.setrole = 0
                                  AND 'default_transaction_read_only=on' = ANY (r.setconfig)) AS writable
              FROM pg_control_system() s"""


async def _one(connection: AsyncConnection, query: LiteralString, values: Mapping[str, object]) -> Row | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()


async def checkout(
    connection: AsyncConnection,
    key: UUID,
    customer: int,
    lines: Sequence[Mapping[str, int]],
    payload: Mapping[str, object],
) -> tuple[Row, bool]:
    """The order of this key and whether it is new: a key that is known answers the order that it made first."""
    values = {
        "key": key,
        "customer": customer,
        "lines": json.dumps(list(lines)),
        "payload": json.dumps(dict(payload)),
    }
    fresh = await _one(connection, _CHECKOUT, values)
    order = fresh or await _one(connection, _KNOWN, values)
    if order is None:
        raise LookupError(f"order {key} was neither made nor found")
    return {**order, "idempotency_key": str(key)}, fresh is not None


async def product(connection: AsyncConnection, product_id: int) -> Row | None:
    return await _one(connection, _PRODUCT, {"id": product_id})


async def search(connection: AsyncConnection, words: str) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SEARCH, {"q": words})
        return await cursor.fetchall()


async def deliver_mail(connection: AsyncConnection) -> int:
    """Delivers what is queued, by marking it, and answers how many there were."""
    return (await connection.execute(_DELIVER)).rowcount


async def outbox(connection: AsyncConnection, order_id: int | None) -> Row:
    """How much mail is queued and delivered, of one order or of all; `oldest_seconds` is the oldest's age."""
    return await _one(connection, _OUTBOX, {"order": order_id}) or {}


async def webhook(connection: AsyncConnection, event_id: UUID, body: object) -> bool:
    """Keeps the event; False when it was there already."""
    return await _one(connection, _WEBHOOK, {"event": event_id, "body": json.dumps(body)}) is not None


async def creator(connection: AsyncConnection, creator_id: int) -> Row | None:
    return await _one(connection, _CREATOR, {"id": creator_id})


async def whereabouts(connection: AsyncConnection) -> Row:
    """Which server this connection is on (name, port, system identifier) and whether it takes writes."""
    return await _one(connection, _WHERE, {}) or {}
