"""Figures of CloudWatch with a name; each group says in whose guide the metrics stand."""

from cutover.core.preset import Preset

PERCENTILES = (50, 95, 99)


def _lambda() -> dict[str, Preset]:
    """Lambda developer guide, "Types of metrics for Lambda functions"."""
    of = "FunctionName={function}"
    alias = f"{of} Resource={{function}}:{{alias}}"
    return {
        "lambda-request-rate": Preset(f"r / PERIOD(r)\nr = Sum AWS/Lambda Invocations {of}", "/s", "invocations"),
        "lambda-error-rate": Preset(
            f"100 * FILL(e, 0) / r\ne = Sum AWS/Lambda Errors {of}\nr = Sum AWS/Lambda Invocations {of}",
            "%",
            "invocations that failed",
        ),
        "lambda-alias-error-rate": Preset(
            f"100 * FILL(e, 0) / r\ne = Sum AWS/Lambda Errors {alias}\nr = Sum AWS/Lambda Invocations {alias}",
            "%",
            "invocations by an alias that failed",
        ),
        "lambda-throttles": Preset(f"t\nt = Sum AWS/Lambda Throttles {of}", "count", "invocations refused, a minute"),
        "lambda-concurrency": Preset(
            f"c\nc = Maximum AWS/Lambda ConcurrentExecutions {of}", "count", "instances at work"
        ),
        **{
            f"lambda-p{n}": Preset(f"d\nd = p{n} AWS/Lambda Duration {of}", "ms", f"time that {n} % keep within")
            for n in PERCENTILES
        },
    }


def _alb() -> dict[str, Preset]:
    """ELB user guide, "CloudWatch metrics for your Application Load Balancer": errors are reported only where there are some."""
    of = "LoadBalancer={load_balancer} TargetGroup={target_group}"
    elb = "AWS/ApplicationELB"
    return {
        "alb-request-rate": Preset(f"r / PERIOD(r)\nr = Sum {elb} RequestCount {of}", "/s", "requests to the group"),
        "alb-error-rate": Preset(
            f"100 * FILL(e, 0) / r\ne = Sum {elb} HTTPCode_Target_5XX_Count {of}\nr = Sum {elb} RequestCount {of}",
            "%",
            "requests that the group's targets answered with 5xx",
        ),
        "alb-own-errors": Preset(
            f"FILL(e, 0) + 0 * r\ne = Sum {elb} HTTPCode_ELB_5XX_Count LoadBalancer={{load_balancer}}\n"
            f"r = Sum {elb} RequestCount LoadBalancer={{load_balancer}}",
            "count",
            "5xx of the load balancer's own, a minute",
        ),
        "alb-unhealthy": Preset(
            f"u\nu = Maximum {elb} UnHealthyHostCount {of}", "count", "targets that fail their check"
        ),
        "alb-connections": Preset(
            f"c\nc = Sum {elb} ActiveConnectionCount LoadBalancer={{load_balancer}}", "count", "connections open"
        ),
        **{
            f"alb-p{n}": Preset(
                f"1000 * t\nt = p{n} {elb} TargetResponseTime {of}", "ms", f"time that {n} % of the answers keep within"
            )
            for n in PERCENTILES
        },
    }


def _cloudfront() -> dict[str, Preset]:
    """CloudFront developer guide, "Types of metrics for CloudFront"; latency and hit rate only where they are switched on."""
    of = "DistributionId={distribution} Region=Global"
    own = "AWS/CloudFront"
    return {
        "cloudfront-request-rate": Preset(f"r / PERIOD(r)\nr = Sum {own} Requests {of}", "/s", "viewers' requests"),
        "cloudfront-error-rate": Preset(f"e\ne = Average {own} 5xxErrorRate {of}", "%", "requests answered with 5xx"),
        "cloudfront-total-error-rate": Preset(
            f"e\ne = Average {own} TotalErrorRate {of}", "%", "requests answered with 4xx or 5xx"
        ),
        "cloudfront-cache-hit-rate": Preset(f"h\nh = Average {own} CacheHitRate {of}", "%", "answered from the cache"),
        **{
            f"cloudfront-p{n}": Preset(
                f"l\nl = p{n} {own} OriginLatency {of}", "ms", f"origin's time that {n} % keep within"
            )
            for n in PERCENTILES
        },
    }


def _rds() -> dict[str, Preset]:
    """RDS user guide, "Amazon CloudWatch metrics for Amazon RDS"."""
    of = "DBInstanceIdentifier={instance}"
    return {
        "rds-connections": Preset(f"c\nc = Average AWS/RDS DatabaseConnections {of}", "count", "connections"),
        "rds-cpu": Preset(f"c\nc = Average AWS/RDS CPUUtilization {of}", "%", "processor time in use"),
        "rds-free-memory": Preset(f"m\nm = Average AWS/RDS FreeableMemory {of}", "bytes", "memory that is free"),
        "rds-free-storage": Preset(f"s\ns = Minimum AWS/RDS FreeStorageSpace {of}", "bytes", "disk that is free"),
        "rds-read-latency": Preset(f"1000 * l\nl = Average AWS/RDS ReadLatency {of}", "ms", "time of a read from disk"),
        "rds-write-latency": Preset(
            f"1000 * l\nl = Average AWS/RDS WriteLatency {of}", "ms", "time of a write to disk"
        ),
        "rds-replica-lag": Preset(f"l\nl = Maximum AWS/RDS ReplicaLag {of}", "s", "lag of a read replica"),
    }


CLOUDWATCH_PRESETS: dict[str, Preset] = {**_lambda(), **_alb(), **_cloudfront(), **_rds()}
