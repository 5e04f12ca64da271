"""The five checks of a checkpoint in one list: business figures, data integrity, performance, error handling, audit trail."""

import time
from collections.abc import Sequence

from cutover.app import App
from cutover.core.errors import CutoverError
from cutover.net.ledger import Ledger, LedgerSummary
from cutover.postgres.comparison import Report

SPAN = 60.0  # seconds of the customers' requests that are looked at


def five_checks(app: App, *reports: Report) -> list[dict[str, str]]:
    """Each as {name, verdict, seen}; the verdict is pass, fail or `not measured`. Only the first two decide the exit code."""
    customers = _customers(app)
    checks = {
        "business-figures": _figures(reports),
        "data-integrity": _integrity(reports),
        "performance": _performance(app, customers),
        "error-handling": _errors(app, customers),
        "audit-trail": _audit(app),
    }
    return [{"name": name, "verdict": verdict, "seen": seen} for name, (verdict, seen) in checks.items()]


def _figures(reports: Sequence[Report]) -> tuple[str, str]:
    figures = [figure for report in reports for figure in report.figures]
    if not figures:
        return "not measured", "database.validation.checks names none"
    told = "; ".join(f"{figure.name}: {figure.verdict}, {figure.seen}" for figure in figures)
    verdicts = {figure.verdict for figure in figures}
    return "fail" if "differs" in verdicts else "not measured" if "not proven" in verdicts else "pass", told


def _integrity(reports: Sequence[Report]) -> tuple[str, str]:
    told = "; ".join(map(str, reports))
    if any(report.differences or report.more for report in reports):
        return "fail", told
    return ("not measured" if any(report.unproven for report in reports) else "pass"), told


def _customers(app: App) -> LedgerSummary | None:
    path = app.means.ledger_path() if app.environment.ledger is not None else None
    if path is None:
        return None
    now = time.time()
    try:
        return Ledger(path).between(now - SPAN, now)
    except (OSError, ValueError):
        return None


def _performance(app: App, seen: LedgerSummary | None) -> tuple[str, str]:
    limits = app.environment.shift.limits
    if seen is None or seen.p95_ms is None or seen.requests < limits.at_least:
        return "not measured", _too_few(app, seen)
    verdict = "fail" if seen.p95_ms > limits.p95_ms else "pass"
    return verdict, f"p95 {seen.p95_ms:.0f} ms of {seen.requests} requests, allowed {limits.p95_ms:g} ms"


def _errors(app: App, seen: LedgerSummary | None) -> tuple[str, str]:
    limits = app.environment.shift.limits
    if seen is None or seen.requests < limits.at_least:
        return "not measured", _too_few(app, seen)
    rate = 100 * (seen.failed_reads + seen.failed_writes) / seen.requests
    return (
        "fail" if rate > limits.error_rate else "pass",
        f"{rate:.2f} % of {seen.requests} requests failed, allowed {limits.error_rate:g} %",
    )


def _too_few(app: App, seen: LedgerSummary | None) -> str:
    if seen is None:
        return "no ledger of requests could be read"
    return f"{seen.requests} requests in {SPAN:g} s; a verdict needs {app.environment.shift.limits.at_least}"


def _audit(app: App) -> tuple[str, str]:
    try:
        state = app.recorded()
        if state is None:
            return "not measured", "no cutover has been recorded yet"
        try:
            entries = state.entries()
        finally:
            state.close()
    except CutoverError as error:
        return "fail", error.message
    return "pass", f"the journal's chain of {len(entries)} entries is unbroken"
