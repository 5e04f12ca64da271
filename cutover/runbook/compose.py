"""One environment as a book: the words that a runbook needs beside the plan."""

from shlex import quote

from cutover.app import App
from cutover.environment import PgBouncer, Ref
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import Pool
from cutover.runbook.book import Book


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
    checklist = [
        (line.name, f"invoke smoke --env {environment.name} --side green --keyword '{line.smoke}'", "")
        if line.smoke
        else (line.name, "said by a person", line.attest or "decision")
        for line in environment.checklist
    ]
    local = ['source "${CUTOVER_HOME:-.cutover}"/world/env.sh'] if environment.world is not None else []
    return Book(
        environment=environment.name,
        description=environment.description,
        plan=app.plan,
        finish=app.finish,
        owners=environment.owners.model_dump(),
        variables=variables,
        prepare_shell="\n".join([*local, f"export CUTOVER_ENV={environment.name}", *fetched]),
        checklist=checklist,
        rollback_window=span(environment.rollback.window),
        waiting_period=span(environment.rollback.waiting_period),
        window_budget=span(environment.window.budget),
        protected=environment.protected,
        dead_man=span(max(words.fence.dead_man for words in environment.every_database.values())),
    )


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
    name = quote(ref.name)
    match ref.kind:
        case "file":
            fetch = f"cat {name}"
        case "ssm":
            ask = "ssm get-parameter --with-decryption --query Parameter.Value --output text --name"
            fetch = f"{app.means.aws.shell()} {ask} {name}"
        case "secretsmanager":
            ask = "secretsmanager get-secret-value --query SecretString --output text --secret-id"
            fetch = f"{app.means.aws.shell()} {ask} {name}"
        case _:
            return []
    return [f'export {variable}="$({fetch})"']


def span(seconds: float) -> str:
    """Seconds as a person says them: `90 s`, `15 min`, `24 h`, `7 days`."""
    if seconds >= 48 * 3600 and seconds % 86400 == 0:
        return f"{seconds / 86400:g} days"
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"
