"""The part of the template that says what is watched, and what that starts."""

TRIGGERS = """\
# triggers:                     # what is watched from the first share on, and what each starts
#   error-rate:
#     when: error_rate > 5% for 5m at least 200 requests
#     then: rollback            # or notify, hold, previous-phase, freeze
#     during: [shift, bake]     # or prepare, window, work, shift-25
#     insufficient: wait        # too little is known; or notify and the like
#     blind: hold               # the figure cannot be read
#     severity: critical        # or warning, info
#     channels: []              # of those under notify; without any, as its routes say
#   slower-than-blue:
#     when: p95 > legacy + 100ms for 5m
#     then: investigate for 15m then rollback
#   order-rate:
#     wanted: orders_per_minute within 5% of baseline for 30m
#     then: notify
#   error-zones:
#     figure: error_rate
#     zones: [{above: 5%, for: 1m, then: hold}, {above: 10%, then: rollback}]
#     at_least: 100 requests in 1m

# comparison:                   # green beside blue at every share below 100 %, by what both count; however often one looks
#   source: prometheus          # of metrics.sources, of kind prometheus or json-lines; or ledger
#   requests: http_requests_total{side="{side}"}                 # counters as they are; of a log: count where route != "/health"
#   errors: http_requests_total{side="{side}",status=~"5.."}
#   latencies: http_request_seconds_bucket{side="{side}"}        # needed for `slower`
#   slower: 100ms               # how much longer green's requests may take; without it only errors are compared
#   margin: {points: 1%, percent: 10%}    # how much more often green may fail: of all requests, and of blue's rate
#   worth: 5%                   # the least difference that must not be missed; says how many requests are enough
#   together: 1                 # how many requests fail together at most, such as one visitor's retries
#   one_by_one: false           # divided one by one, and nobody but visitors is counted: fewer are enough
#   then: rollback              # or investigate for 15m then rollback, hold, previous-phase, freeze, notify
#   insufficient: wait          # a share is not passed on without a verdict anyhow
#   blind: hold                 # a side cannot be counted

# checkpoints:                  # everything that can be checked, at set times after the switch, each with a report
#   at: [1h, 8h, 24h]
#   every:                      # and in these rhythms
#     - {from: 2h, until: 9h, every: 45m}
#     - {from: 9h, until: 24h, every: 3h}
#   figures: {error_rate: 5%}   # how far figures may be from what they were before
#   within: 5m                  # what is not known then is not proven
#   warning: notify             # a figure is off, or a trigger has too little to judge; or hold, rollback, freeze
#   failure: hold               # something is wrong
#   unproven: notify            # something could not be seen

# incidents:                    # what the post-mortem file of a rollback begins with, beside figures and what the run recorded
#   before: 10m                 # how long before the failing verdict figures and logs are kept from
#   lines: 100                  # of each log at most, the last ones before the verdict; secrets and mail addresses are hidden
#   logs:                       # green's; a source of kind json-lines is one by itself
#     application: {kind: file, path: /var/log/shop/green/application.log, time: time}
#     workers: {kind: log-group, name: /ecs/shop-green}
"""
