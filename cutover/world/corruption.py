"""One row that is wrong, and the statement that mends it: a payment that is not what its order's lines add up to."""

from __future__ import annotations

import psycopg

from cutover.world.processes import WorldError

_CORRUPT = """UPDATE shop.payments SET amount = amount + 1
               WHERE order_id = (SELECT max(order_id) FROM shop.payments) RETURNING order_id"""
_MEND = """UPDATE shop.payments p SET amount = l.amount
             FROM (SELECT order_id, sum(amount) AS amount FROM shop.order_lines GROUP BY order_id) l
            WHERE l.order_id = p.order_id AND p.amount <> l.amount
              AND p.order_id IN (SELECT order_id FROM shop.orders WHERE payload ? 'version') RETURNING p.order_id"""


def corrupt(dsn: str) -> int:
    """Makes the newest payment wrong and answers its order; raises WorldError where the side takes no writes."""
    return _written(dsn, _CORRUPT)[0]


def mend(dsn: str) -> int:
    """Makes every wrong payment of the shop's own orders right; answers how many there were. Raises WorldError.

    A side that takes no writes has its rows from the other one, where they are mended.
    """
    try:
        return len(_written(dsn, _MEND))
    except WorldError as error:
        if isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
            return 0
        raise


def _written(dsn: str, statement: str) -> list[int]:
    try:
        with psycopg.connect(dsn, connect_timeout=5, application_name="world.fault", autocommit=True) as session:
            return [int(found[0]) for found in session.execute(statement.encode()).fetchall()]
    except psycopg.Error as error:
        raise WorldError(f"the row could not be changed: {str(error).strip().splitlines()[0]}") from error
