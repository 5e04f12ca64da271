"""Figures with a name, for the sources of this room."""

from cutover.core.preset import Preset

# The names that the routing library counts under, and the shop's own style for applications that have none.
PROMETHEUS: dict[str, Preset] = {
    "request-rate": Preset(
        'sum(rate(cutover_requests_total{side="{side}"}[1m]))', "/s", "requests, by the routing library"
    ),
    "error-rate": Preset(
        '100 * (sum(rate(cutover_errors_total{side="{side}"}[1m])) or vector(0))'
        ' / sum(rate(cutover_requests_total{side="{side}"}[1m]))',
        "%",
        "requests that failed, by the routing library",
    ),
    "fallback-rate": Preset(
        '100 * (sum(rate(cutover_fallbacks_total{side="{side}"}[1m])) or vector(0))'
        ' / sum(rate(cutover_requests_total{side="{side}"}[1m]))',
        "%",
        "requests that the other implementation had to answer",
    ),
    "dual-run-mismatches": Preset(
        "sum(rate(cutover_mismatches_total[1m])) or vector(0)", "/s", "dual runs whose results differ"
    ),
    **{
        f"p{n}": Preset(
            f'1000 * histogram_quantile({n / 100:g}, sum by (le) (rate(cutover_response_time_bucket{{side="{{side}}"}}[1m])))',
            "ms",
            f"time within which {n} % of the requests were answered",
        )
        for n in (50, 95, 99)
    },
    "memory": Preset(
        'sum(process_resident_memory_bytes{job="{job}"})', "bytes", "resident memory of a job's processes"
    ),
    "cpu": Preset(
        'sum(rate(process_cpu_seconds_total{job="{job}"}[1m]))', "cores", "processor time of a job's processes"
    ),
    "up": Preset('100 * avg(up{job="{job}"})', "%", "targets of a job that can be scraped"),
    "active-alerts": Preset(
        'count(ALERTS{alertstate="firing"}) or vector(0)', "count", "alerts that fire in this Prometheus"
    ),
}

REDIS: dict[str, Preset] = {
    "memory-used": Preset("100 * used_memory / maxmemory", "%", "memory in percent of maxmemory"),
    "memory": Preset("used_memory", "bytes", "memory that the data takes"),
    "clients": Preset("connected_clients", "count", "clients connected"),
    "hit-rate": Preset(
        "100 * keyspace_hits / (keyspace_hits + keyspace_misses)", "%", "reads that found their key, since the start"
    ),
    "operations": Preset("instantaneous_ops_per_sec", "/s", "commands answered"),
    "evicted": Preset("evicted_keys", "count", "keys thrown out for want of memory, since the start"),
}

PROBE: dict[str, Preset] = {
    "latency": Preset("latency /health", "ms", "time until /health had answered"),
    "failed": Preset("failed /health", "count", "1 where /health does not answer or answers an error"),
}

JSON_LINES: dict[str, Preset] = {
    "request-rate": Preset("rate", "/s", "lines"),
    "error-rate": Preset("share where {status} >= 500", "%", "lines whose status is an error of the server"),
    "fallback-rate": Preset("share where {kind} = fallback", "%", "lines that say that the other side had to answer"),
    **{f"p{n}": Preset(f"p{n} {{duration}}", "ms", f"time that {n} % keep within") for n in (50, 95, 99)},
}
