"""Which side accepts writes: read from the databases' own catalogs, never from a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover.postgres.session import Database, Session, ask_function

FENCE = "zz_cutover_fence"

# Every list (kit, publication, lock, state) comes from this one query, so they cannot disagree.
APP_TABLES = """(SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind, c.relispartition, c.relreplident
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    AND n.nspname <> 'information_schema' AND n.nspname <> 'cutover' AND n.nspname !~ '^pg_')"""

STATE = f"""SELECT CASE WHEN count(g.oid) = 0 THEN 'unprepared'
            WHEN bool_and(coalesce(g.tgenabled = 'O', false)) THEN 'fenced'
            WHEN bool_and(coalesce(g.tgenabled = 'D', false)) THEN 'open'
            ELSE 'partial' END AS state,
       coalesce(array_agg(t.name ORDER BY t.name) FILTER (WHERE g.oid IS NULL OR g.tgenabled NOT IN ('O', 'D')), '{{}}'),
       EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                WHERE d.datname = current_database() AND s.setrole = 0
                  AND 'default_transaction_read_only=on' = ANY (s.setconfig)) AS read_only_default
FROM {APP_TABLES} t LEFT JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgname = '{FENCE}' AND NOT g.tgisinternal"""

# The state alone, in one word: for people.
STATE_WORD = f"""SELECT CASE WHEN count(g.oid) = 0 THEN 'unprepared'
            WHEN bool_and(coalesce(g.tgenabled = 'O', false)) THEN 'fenced'
            WHEN bool_and(coalesce(g.tgenabled = 'D', false)) THEN 'open'
            ELSE 'partial' END
  FROM {APP_TABLES} t
  LEFT JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgname = '{FENCE}' AND NOT g.tgisinternal"""


@dataclass(frozen=True)
class SideState:
    """One side's fence: `state` is unprepared, open, fenced or partial; `odd` names the tables that differ."""

    state: str
    odd: tuple[str, ...] = ()
    read_only_default: bool = False

    @property
    def settled(self) -> bool:
        """Whether the read-only default agrees with the triggers, which are the truth."""
        return self.read_only_default == (self.state == "fenced")


@dataclass(frozen=True)
class Sides:
    """The fences of both sides; (open, open) and partial states are never ours.

    `clients` is where PgBouncer directs them (blue, green or paused), empty where they find the writable side themselves.
    """

    blue: str
    green: str
    clients: str = ""

    def __str__(self) -> str:
        clients = f", clients {self.clients}" if self.clients else ""
        return f"blue {self.blue}, green {self.green}{clients}"


AND = " and "  # between the words of databases that differ

BEFORE = Sides("open", "fenced")
COMMITTED = Sides("fenced", "fenced")
SWITCHED = Sides("fenced", "open")


def together(seen: Sequence[Sides]) -> Sides:
    """Several databases as one state: a word of one side where all agree, otherwise all words that are seen there."""

    def word(words: Iterable[str]) -> str:
        return AND.join(sorted({one for one in words if one}))

    return Sides(word(s.blue for s in seen), word(s.green for s in seen), word(s.clients for s in seen))


def side_state(session: Session) -> SideState:
    """The state of the session's side."""
    state, odd, default = session.rows(STATE)[0]
    return SideState(state, tuple(odd), default)


def sides_shell(blue: Database, green: Database) -> str:
    """The command with which a person reads both sides' states."""
    # One subshell: nothing stays behind in the shell that it is pasted into, and a side without an answer is an error.
    return f"""(set -euo pipefail
{ask_function("state", STATE_WORD)}
blue=$(state "${blue.variable}")
green=$(state "${green.variable}")
echo "{_where(blue)}blue $blue, green $green")"""


def _where(database: Database) -> str:
    return f"{database.name}: " if database.name else ""


def read_sides(blue: Database, green: Database) -> Sides:
    """Both sides' states; raises Unreachable."""
    with blue.open("state") as b, green.open("state") as g:
        return Sides(side_state(b).state, side_state(g).state)


def end_sessions_until(latest: str) -> str:
    """Ends the clients' sessions that began until `latest` (a timestamp), and answers when; only where the side is fenced.

    Who wakes up late must not disturb the side that serves by then.
    """
    return f"""SELECT now()::text, count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND application_name !~ '^cutover' AND backend_start <= '{latest}'
   AND ({STATE_WORD}) = 'fenced'"""


def set_triggers(session: Session, verb: str) -> None:
    """Puts the fence on every table that has its trigger (`ENABLE`), or takes it off (`DISABLE`)."""
    session.run(
        f"""DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT tgrelid FROM pg_trigger WHERE tgname = '{FENCE}' AND NOT tgisinternal ORDER BY tgrelid::regclass::text LOOP
    EXECUTE format('ALTER TABLE ONLY %s {verb} TRIGGER {FENCE}', t);
  END LOOP; END $$"""
    )
