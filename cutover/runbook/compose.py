"""One environment as a book: the words that a runbook needs beside the plan."""

from collections.abc import Iterable

from cutover.app import App
from cutover.core.plain import span
from cutover.environment import ChecklistItem, PgBouncer, Ref
from cutover.plans.checklist import Line, lines
from cutover.plans.triggered import triggers
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import Pool
from cutover.runbook.book import Book
from cutover.runbook.told import rhythm, told


def book_of(app: App) -> Book:
    """The book of an environment; opens no connection."""
    environment = app.environment
    addresses = {name: about for pair in app.means.pairs for name, about in _addresses(app, pair).items()}
    variables = {"CUTOVER_ENV": f"the environment: {environment.name}"}
    variables |= {name: meaning for name, (_, meaning) in addresses.items()}
    fetched = [line for name, (ref, _) in addresses.items() for line in _fetched(app, name, ref)]
    for ref, meaning in (
        (environment.smoke.blue, "blue's own address, past the load balancer"),
        (environment.smoke.green, "green's own address, past the load balancer"),
        (environment.dns.servers, "authoritative DNS servers, host:port, separated by commas"),
        (environment.ledger, "the ledger that the probes write"),
    ):
        if ref is not None and ref.kind == "env":
            variables[ref.name] = meaning
    local = ['source "${CUTOVER_HOME:-.cutover}"/world/env.sh'] if environment.world is not None else []
    return Book(
        environment=environment.name,
        description=environment.description,
        plan=app.plan,
        finish=app.finish,
        decommission=app.decommission,
        retention=span(environment.decommission.retention) if environment.decommission.retention else "",
        owners=environment.owners.model_dump(),
        variables=variables,
        prepare_shell="\n".join([*local, f"export CUTOVER_ENV={environment.name}", *fetched]),
        checklist=[_line(app, words, line) for words, line in _lines(app)],
        rollback_window=span(environment.rollback.window),
        waiting_period=span(environment.rollback.waiting_period),
        window_budget=span(environment.window.budget),
        protected=environment.protected,
        rules=triggers(app.means),
        told=told(environment.notify),
        rhythm=rhythm(environment.notify.updates),
        rehearsed_within=span(environment.rehearsal.max_age) if environment.rehearsal.required else "",
        dead_man=span(max((words.fence.dead_man for words in environment.every_database.values()), default=0.0)),
    )


def _lines(app: App) -> Iterable[tuple[ChecklistItem, Line]]:
    words = app.environment.checklist
    return zip(words, lines(app.means, words), strict=True)


def _line(app: App, words: ChecklistItem, line: Line) -> tuple[str, str, str]:
    """A line of the checklist with the command that answers it, or with the role that does."""
    if words.smoke:
        name = app.environment.name
        return line.name, f"invoke smoke --env {name} --side green --keyword '{words.smoke}'", ""
    if line.check is not None:
        return line.name, line.check.shell(), ""
    return line.name, "said by a person", f"{line.role}: {getattr(app.environment.owners, line.role)}"


def _addresses(app: App, pair: DatabasePair) -> dict[str, tuple[Ref, str]]:
    """The shell variables of one database, each with the reference that it comes from and its meaning."""
    words, of = app.means.words(pair), f" of {pair.name}" if pair.name else ""
    found = {
        pair.blue.variable: (words.blue, f"connection string of {pair.blue.label}"),
        pair.green.variable: (words.green, f"connection string of {pair.green.label}"),
    }
    if words.blue_from_green is not None:
        found[pair.from_blue.variable] = (words.blue_from_green, f"{pair.blue.label}, as green's server reaches it")
    if words.green_from_blue is not None:
        found[pair.from_green.variable] = (words.green_from_blue, f"{pair.green.label}, as blue's server reaches it")
    clients = words.clients
    if isinstance(clients, PgBouncer) and isinstance(pair.pool, Pool):
        found[pair.pool.variable] = (clients.admin, f"connection string of PgBouncer's admin console{of}")
        for side, where, typed in zip(("blue", "green"), (clients.blue, clients.green), pair.pool.shown, strict=True):
            if where.kind != "literal":
                found[typed.removeprefix("$")] = (where, f"host:port of {side}{of}, as PgBouncer reaches it")
    return found


def _fetched(app: App, variable: str, ref: Ref) -> list[str]:
    """The line that fetches what no person has in the environment; the value itself is never printed."""
    return [f"export {variable}={app.means.shell_of(ref)}"] if ref.kind not in ("env", "literal") else []
