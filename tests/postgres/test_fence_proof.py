"""The fence is proven by writes that it refuses: by hand in old and fresh sessions, and by the plan's own gates."""

import psycopg
import pytest
from moves import blue_switch, caught_up
from pairs import Pair, paste

from cutover.core.gate import Verdict
from cutover.postgres.fence_proof import WritesRefused
from cutover.postgres.session import Database
from cutover.postgres.sides import SWITCHED, read_sides

INSERT = "INSERT INTO public.queue VALUES (-1, 'never')"


@pytest.mark.parametrize("role", ["postgres", "shop"])
def test_the_fenced_side_refuses_old_and_fresh_sessions(prepared: Pair, role: str) -> None:
    dsn = prepared.dsns["blue"].replace("postgres@", f"{role}@")
    # An old session that survives: it is named like one of ours, so it is not sent away.
    with psycopg.connect(dsn, autocommit=True, application_name="cutover not really") as old:
        old.execute("SET default_transaction_read_only = off")
        old.execute("UPDATE public.queue SET state = state WHERE false")
        blue_switch(prepared.blue, prepared.green)
        with psycopg.connect(dsn, autocommit=True) as fresh:
            for session in (old, fresh):
                for statement in (
                    INSERT,
                    "UPDATE public.queue SET state = state WHERE false",
                    "DELETE FROM shop.order_lines",
                    "TRUNCATE public.notes",
                    "INSERT INTO shop.events (kind) VALUES ('late')",
                    "COPY public.notes (body) FROM STDIN",
                ):
                    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), session.cursor() as cursor:
                        if statement.startswith("COPY"):
                            with cursor.copy(statement.encode()) as copy:
                                copy.write("late\n")
                        else:
                            cursor.execute(statement.encode())
        with psycopg.connect(dsn, autocommit=True) as sly:
            sly.execute("SET default_transaction_read_only = off")  # leaves the default, and meets the triggers
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="cutover fence"):
                sly.execute(INSERT)
        assert read_sides(prepared.blue, prepared.green) == SWITCHED
    # The apply worker still applies on the fenced side.
    prepared.sql("green", "INSERT INTO public.queue VALUES (-2, 'new')")
    caught_up(prepared.green, prepared.blue)
    assert prepared.sql("blue", "SELECT state FROM public.queue WHERE id = -2") == [("new",)]
    prepared.sql("green", "DELETE FROM public.queue WHERE id = -2")
    blue_switch(prepared.green, prepared.blue)


def test_the_fence_is_proven_by_writes_that_it_refuses(prepared: Pair) -> None:
    fenced, open_side = WritesRefused(prepared.green), WritesRefused(prepared.blue)
    found = fenced.look()
    assert found.verdict is Verdict.PASS and found.data["tables"] > 10
    assert found.seen == f"green refused a write to each of {found.data['tables']} tables"
    assert paste(prepared, fenced.shell()) == "green refuses writes\n"
    found = open_side.look()
    assert found.verdict is Verdict.FAIL and "blue does not refuse writes: accepted by public." in found.seen
    assert "public.notes; public.probe; public.queue; " in found.seen
    said = paste(prepared, f"{{ {open_side.shell()}\n}} 2>&1 || echo refused")
    assert (
        "blue does not refuse writes: accepted by public." in said
        and "; public.notes; " in said
        and said.endswith("refused\n")
    )


def test_one_table_without_the_fence_is_enough(prepared: Pair) -> None:
    count = prepared.sql("green", "SELECT count(*) FROM public.queue")
    for change, back in (
        ("DISABLE TRIGGER zz_cutover_fence", "ENABLE TRIGGER zz_cutover_fence"),
        ("ENABLE REPLICA TRIGGER zz_cutover_fence", "ENABLE TRIGGER zz_cutover_fence"),
    ):
        prepared.sql("green", f"ALTER TABLE public.queue {change}")
        try:
            found = WritesRefused(prepared.green).look()
        finally:
            prepared.sql("green", f"ALTER TABLE public.queue {back}")
        assert found.verdict is Verdict.FAIL and found.seen == "green does not refuse writes: accepted by public.queue"
    assert prepared.sql("green", "SELECT count(*) FROM public.queue") == count


@pytest.mark.parametrize("where", ["", " IN DATABASE shop"])
def test_a_role_whose_sessions_pass_every_fence_is_named(prepared: Pair, where: str) -> None:
    prepared.sql("green", f"ALTER ROLE shop{where} SET session_replication_role = replica")
    try:
        found = WritesRefused(prepared.green).look()
        assert found.verdict is Verdict.FAIL
        assert found.seen == "green: role shop begins in replica mode, which no fence stops"
        said = paste(prepared, f"{{ {WritesRefused(prepared.green).shell()}\n}} 2>&1 || echo refused")
        assert "role shop begins in replica mode" in said and said.endswith("refused\n")
        prepared.sql("green", found.hint)
        assert WritesRefused(prepared.green).look().verdict is Verdict.PASS
    finally:
        prepared.sql("green", f"ALTER ROLE shop{where} RESET session_replication_role")


def test_a_fence_that_cannot_be_tried_is_blind() -> None:
    nowhere = Database("blue", "X", lambda: "host=127.0.0.1 port=1 connect_timeout=2")
    assert WritesRefused(nowhere).look().verdict is Verdict.BLIND


@pytest.mark.parametrize(
    "made, gone",
    [
        ("CREATE RULE kept AS ON DELETE TO public.queue DO INSTEAD NOTHING", "DROP RULE kept ON public.queue"),
        (
            """CREATE FUNCTION public.only_append() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'append only'; END $$;
               CREATE TRIGGER a BEFORE UPDATE OR DELETE ON public.queue EXECUTE FUNCTION public.only_append()""",
            "DROP TRIGGER a ON public.queue; DROP FUNCTION public.only_append()",
        ),
    ],
    ids=["a rule", "a trigger of its own"],
)
def test_a_table_that_refuses_by_itself_is_judged_by_its_fence(prepared: Pair, made: str, gone: str) -> None:
    prepared.sql("green", made)
    try:
        assert WritesRefused(prepared.green).look().verdict is Verdict.PASS
        prepared.sql("green", "ALTER TABLE public.queue DISABLE TRIGGER zz_cutover_fence")
        assert "accepted by public.queue" in WritesRefused(prepared.green).look().seen
    finally:
        prepared.sql("green", "ALTER TABLE public.queue ENABLE TRIGGER zz_cutover_fence")
        prepared.sql("green", gone)


def test_a_table_that_is_locked_is_tried_again(prepared: Pair) -> None:
    with psycopg.connect(prepared.dsns["green"]) as holder:
        holder.execute("LOCK TABLE public.queue IN SHARE MODE")
        found = WritesRefused(prepared.green).look()
        assert found.verdict is Verdict.INSUFFICIENT
        assert found.seen == "a write to green could not be tried, it is locked: public.queue"
        holder.rollback()
    assert WritesRefused(prepared.green).look().verdict is Verdict.PASS
