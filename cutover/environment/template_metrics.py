"""The part of the annotated environment that says what is measured."""

METRICS = """
# metrics:                      # what is measured, of both sides; see it with: invoke metrics --env NAME_OF_ENVIRONMENT
#   sources:                    # where figures come from, by names of your own
#     prometheus:
#       kind: prometheus        # or whatever has its HTTP API; queries are PromQL and give one series
#       url: https://prometheus.internal:9090
#       token: env:PROMETHEUS_TOKEN     # or user: and password: for basic authentication
#       ca: /etc/ssl/our-ca.pem
#       delay: 60s              # how old the newest sample may be: the longest scrape interval
#       rules: /etc/prometheus/cutover    # a folder of its rule files, for invoke alerts --apply
#     aws:
#       kind: cloudwatch        # a query is an expression, and below it its metrics
#       region: eu-west-1       # where it is not aws.region
#     sql:
#       kind: postgres          # the databases of the cutover; a query answers one row with one number
#       # database: orders      # which of several databases
#     log:
#       kind: json-lines        # a log on this machine, with its rotated predecessors
#       blue: /var/log/app-blue/access.jsonl
#       green: /var/log/app-green/access.jsonl
#       time: time              # the field that says when
#     cache:
#       kind: redis             # a query is a sum of INFO's fields
#       blue: cache-blue.internal:6379
#       green: cache-green.internal:6379
#       user: monitoring
#       password: env:REDIS_PASSWORD
#       tls: true
#     probe:
#       kind: probe             # latency /path, status /path or failed /path
#       blue: https://blue.example.com
#       green: https://green.example.com
#     own:
#       kind: command           # bash that prints one number as its last line, and changes nothing
#       variables: {QUEUE_TOKEN: env:QUEUE_TOKEN}
#   figures:                    # by names of your own, as conditions call them
#     error_rate:
#       source: aws
#       preset: alb-error-rate  # a query with a name, about what stands under `of`; it knows its unit
#       of: {load_balancer: app, target_group: {blue: app-blue, green: app-green}}
#     p95:
#       source: prometheus      # {side} becomes blue or green
#       query: 1000 * histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket{side="{side}"}[2m])))
#       unit: ms
#       step: 15s               # the distance of its samples
#     orders:
#       source: sql
#       query: SELECT count(*) FROM orders WHERE created_at > now() - interval '5 minutes'
#       unit: count
#       side: green             # whose it is: blue, green or both
#     mails:
#       source: own
#       query: {blue: queue-depth mails-blue, green: queue-depth mails-green}
#       unit: count
#   grafana:                    # where invoke dashboards --apply makes the dashboard
#     url: https://grafana.internal
#     token: env:GRAFANA_TOKEN  # of a service account that may write dashboards
#     folder: cutover           # the uid of the folder that a new one goes into
#   cost:                       # what a phase may cost, estimated from what it uses
#     currency: USD
#     hourly: {green-database: 1.48}    # prices of what runs for as long as the phase lasts
#     used: {}                  # figures measured in /s: the price of a million of what they count
#     budget: 50
"""
