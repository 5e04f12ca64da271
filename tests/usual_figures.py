"""Figures as most environments have them, for tests of conditions."""

from collections.abc import Mapping

from cutover.metrics.figures import Known

USUAL: Mapping[str, Known] = {
    "requests": Known("/s"),
    "error_rate": Known("%"),
    "p50": Known("ms"),
    "p95": Known("ms"),
    "p99": Known("ms"),
    "memory": Known("MB"),
    "cpu": Known("%"),
    "db_connections": Known("%"),
    "redis_memory": Known("%"),
    "cache_hit_rate": Known("%"),
    "fallback_rate": Known("%"),
    "dual_run_mismatches": Known(""),
    "active_alarms": Known("", "green"),
    "checkouts": Known("/s"),
    "checkout_failures": Known("%"),
    "payment_errors": Known("", "green"),
    "integrity_failures": Known("", "green", step=60.0),
    "orders_per_minute": Known("/min", "green", step=60.0),
}


def written() -> str:
    """The same as an environment's words."""
    lines = ["metrics:", "  sources: {own: {kind: command}}", "  figures:"]
    for name, known in USUAL.items():
        step = "" if known.step == Known.step else f", step: {known.step:g}s"
        unit = known.unit or "count"
        lines.append(
            f"    {name}: {{source: own, query: 'echo 1 # {{side}}', unit: '{unit}', side: {known.side}{step}}}"
        )
    return "\n".join(lines) + "\n"
