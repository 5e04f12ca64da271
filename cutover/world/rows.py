"""The shop's database: created, given its schema, and filled with generated rows on the server itself."""

from __future__ import annotations

from importlib import resources
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

APART = 90.0
ORDERS = 150
"""Of thousand rows so many are orders."""

# Shares of the total in thousandths; the order trigger adds one audit row per order. Together: 1000.
_STATEMENTS: tuple[tuple[int, LiteralString], ...] = (
    (
        100,
        """INSERT INTO shop.customers (email, name, joined_at, preferences)
           SELECT 'customer' || i || '@example.test', 'Customer ' || i, now() - i * interval '1 minute',
                  jsonb_build_object('newsletter', i % 3 = 0, 'locale', (ARRAY['en', 'de', 'ja', 'ar'])[1 + i % 4])
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        10,
        """INSERT INTO shop.products (sku, title, price, tags, on_sale)
           SELECT 'SKU-' || lpad(i::text, 6, '0'),
                  (ARRAY['Blue', 'Green', 'Plain', 'Größe'])[1 + i % 4] || ' '
                    || (ARRAY['lamp', 'chair', 'teapot', 'mug', 'poster'])[1 + i % 5] || ' ' || i,
                  round((1 + (i * 37) % 20000 / 100.0)::numeric, 2), ARRAY['tag' || i % 7, 'tag' || i % 11],
                  CASE WHEN i % 5 = 0 THEN daterange('2026-01-01', '2026-03-01') END
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        ORDERS,
        """INSERT INTO shop.orders (idempotency_key, customer_id, invoice_no, status, placed_at, payload)
           SELECT gen_random_uuid(), 1 + i % (SELECT count(*) FROM shop.customers), nextval('shop.invoice_no'),
                  (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + i % 4]::shop.order_status,
                  now() - i * interval '%(apart)s seconds',
                  jsonb_build_object('channel', (ARRAY['web', 'app'])[1 + i % 2], 'n', i, 'note', repeat('ü', i % 20))
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        300,
        """INSERT INTO shop.order_lines (order_id, line_no, product_id, quantity, unit_price)
           SELECT 1 + (i - 1) / 2, 1 + (i - 1) % 2, 1 + i % (SELECT count(*) FROM shop.products), 1 + i % 4,
                  round((1 + i % 500 / 7.0)::numeric, 2)
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        150,
        """INSERT INTO shop.payments (order_id, amount, fee, receipt, paid_at)
           SELECT i, (i * 1.23456789012345)::numeric, i / 3.0, sha256(i::text::bytea), now() - i * interval '80 seconds'
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        90,
        """INSERT INTO shop.events (at, kind, details)
           SELECT timestamptz '2025-06-01' + (i * 7 % 730) * interval '1 day' + i * interval '1 microsecond',
                  (ARRAY['viewed', 'bought', 'asked'])[1 + i % 3],
                  CASE WHEN i % 10 > 0 THEN jsonb_build_object('i', i) END
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        30,
        """INSERT INTO shop.outbox (order_id, recipient, subject, state, delivered_at)
           SELECT i, 'customer' || i || '@example.test', 'Your order ' || i, 'delivered', now()
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        10,
        """INSERT INTO public.webhooks (event_id, body)
           SELECT gen_random_uuid(), jsonb_build_object('type', 'payment', 'order', i)
             FROM generate_series(1, %(n)s) i""",
    ),
    (
        5,
        """INSERT INTO public.creators (name, share, avatar)
           SELECT 'Creator ' || i, 0.5 + i % 5 / 10.0, decode(md5(i::text), 'hex') FROM generate_series(1, %(n)s) i""",
    ),
    (
        5,
        """INSERT INTO public."Weird Name"
           SELECT i, 'value ' || i, CASE WHEN i % 3 > 0 THEN 'it''s "quoted" \\ ' || i END, 'NaN'
             FROM generate_series(1, %(n)s) i""",
    ),
)


def create(admin_dsn: str, shop_dsn: str, *, tables: bool = True) -> None:
    """Creates database `shop` on a server that has none, with its role where that is missing, and its schema unless told not to."""
    with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=5) as admin:
        if not admin.execute("SELECT FROM pg_roles WHERE rolname = 'shop'").fetchall():
            admin.execute("CREATE ROLE shop LOGIN")
        admin.execute("CREATE DATABASE shop")
    if not tables:
        return
    schema = resources.files("cutover.world").joinpath("schema.sql").read_text(encoding="utf-8")
    with psycopg.connect(shop_dsn, connect_timeout=5) as connection:
        connection.execute(schema.encode())


# The webhooks as in the shop's own database, for a shop that keeps them in one of their own.
HOOKS = """SET ROLE shop;
CREATE SEQUENCE public.webhook_receipt INCREMENT -1 MINVALUE -9000000000 MAXVALUE -1 START -1 CACHE 20;
CREATE TABLE public.webhooks (
  event_id    uuid NOT NULL,
  receipt     bigint NOT NULL DEFAULT nextval('public.webhook_receipt') UNIQUE,
  received_at timestamptz NOT NULL DEFAULT now(),
  body        jsonb NOT NULL
);
CREATE UNIQUE INDEX webhooks_event ON public.webhooks (event_id);
ALTER TABLE public.webhooks REPLICA IDENTITY USING INDEX webhooks_event"""


def create_hooks(admin_dsn: str, hooks_dsn: str, *, tables: bool = True) -> None:
    """Creates another database beside the shop's first one, by the name in its address; with the webhooks unless told not to."""
    name = sql.Identifier(str(conninfo_to_dict(hooks_dsn)["dbname"]))
    with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=5) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO shop").format(name))
    if not tables:
        return
    with psycopg.connect(hooks_dsn, autocommit=True, connect_timeout=5) as connection:
        connection.execute(HOOKS)


def close_to_applications(dsn: str) -> None:
    """Makes new sessions of a side read-only, so that clients that look for the writable side pass it by."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))


def fill(shop_dsn: str, rows: int, apart: float = APART) -> int:
    """Generates about `rows` rows in all tables together and answers how many there are; the least is 1000.

    The orders were placed `apart` seconds from each other, the newest one just now.
    """
    with psycopg.connect(shop_dsn, connect_timeout=5) as connection:
        for thousandths, statement in _STATEMENTS:
            count = max(1, max(rows, 1000) * thousandths // 1000)
            filled = statement.replace("%(n)s", str(count)).replace("%(apart)s", f"{float(apart):.6f}")
            connection.execute(filled.encode())
        connection.execute("REFRESH MATERIALIZED VIEW shop.product_sales")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")  # else autovacuum would come in the middle of the first cutover
        return count_rows(connection)


def count_rows(connection: psycopg.Connection) -> int:
    """How many rows the shop's ordinary tables hold together."""
    tables = connection.execute(
        """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND n.nspname IN ('shop', 'public')"""
    ).fetchall()
    total = 0
    for schema, table in tables:
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))).fetchone()
        total += found[0] if found else 0
    return total
