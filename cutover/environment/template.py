"""The annotated environment that `invoke init NAME` writes: every key, each with its reason; it loads as it stands."""

import re

from cutover.core.errors import ConfigurationRefused
from cutover.environment.source import NAME
from cutover.environment.template_approvals import APPROVALS
from cutover.environment.template_console import CONSOLE
from cutover.environment.template_flags import FLAGS
from cutover.environment.template_metrics import METRICS
from cutover.environment.template_notify import NOTIFY
from cutover.environment.template_triggers import TRIGGERS
from cutover.environment.template_work import WORK


def template(name: str) -> str:
    """The YAML text of a new environment; raises ConfigurationRefused where `name` cannot be a file's name."""
    if not re.fullmatch(NAME, name):
        raise ConfigurationRefused(
            ["the name of an environment is lower-case letters, digits and dashes, starting with a letter (at most 40)"]
        )
    text = _TEMPLATE + METRICS
    for place, words in {
        "APPROVALS_OF_ENVIRONMENT": APPROVALS,
        "WORK_OF_ENVIRONMENT": WORK + FLAGS,
        "TRIGGERS_OF_ENVIRONMENT": TRIGGERS,
        "NOTIFY_WORDS": NOTIFY + CONSOLE,
    }.items():
        text = text.replace(f"{place}\n", words)
    return text.replace("NAME_OF_ENVIRONMENT", name)


_TEMPLATE = """\
# yaml-language-server: $schema=schema.json
#
# What is not commented out has to be filled in; what is, shows the default.
# Durations: 30s, 10m, 24h, 7d, or seconds. Anything that may hold a password is a reference:
#   env:NAME   file:PATH   ssm:NAME   secretsmanager:ID
# Check it with:  invoke plan --env NAME_OF_ENVIRONMENT

schema_version: 1
name: NAME_OF_ENVIRONMENT       # the same as the file's name
description: What is cut over, in one line
# protected: true               # production: the name has to be typed; needs aws.account
# rehearsed_on: staging         # where the same plan is rehearsed: how long each step took there is shown in review
# rehearsal: required           # no cutover without `invoke rehearse` of this very plan; or {required: true, max_age: 14d}

aws:
  region: us-east-1
  # profile: my-profile         # of ~/.aws/config
  # account: "123456789012"     # the credentials must belong to it; keep the quotes
  # rates: {route53: 5}         # calls per second at most; elbv2:ModifyListener bounds one operation

owners:                         # the roles that sign in the runbooks
  decision: release manager
  database: database on-call
  traffic: platform on-call
  application: team lead

# Several databases that switch in one window stand under `databases`: see environments/local-databases.yaml.
database:
  name: app
  blue: env:BLUE_DSN            # today's server: a superuser's DSN, postgresql://…
  green: env:GREEN_DSN          # the new one
  # blue_from_green: env:…      # how the servers reach each other, where the route differs
  # green_from_blue: env:…
  # schema: present             # copied: the plan makes green's tables from blue's, with pg_dump and pg_restore
  # copy:
  #   method: table-sync        # parallel: large tables in parts, by several connections under one snapshot
  #   jobs: 4                   # connections of a parallel copy; indexes that are built at the same time
  #   parallel_above: 1GB       # larger tables are copied in parts
  # copy_timeout: 6h
  # lag_limit_bytes: 1000000    # more than this, and the window is not entered
  # longest_transaction: 2s     # an older one that has written, and the window is not entered
  # wal_limit_bytes: 20000000000    # WAL that a slot may keep before the plan stops; well below the free disk
  # fence:
  #   dead_man: 10s             # if the tool dies inside the fence, blue has its writes back after this
  #   lock_timeout: 5s
  #   catch_up: 5s
  #   sequence_margin: 1000     # for applications that reserve ids ahead
  # clients:                    # without it: a DSN of both servers with target_session_attrs=read-write
  #   kind: pgbouncer
  #   admin: env:PGBOUNCER_ADMIN      # the admin console, postgresql://…/pgbouncer
  #   database: app             # the entry in [databases], and the file that holds it
  #   file: /etc/pgbouncer/pgbouncer.ini
  #   blue: db-blue.internal:5432     # both servers as PgBouncer reaches them
  #   green: db-green.internal:5432
  #   pause_timeout: 5s         # longest wait for open transactions; then nothing is switched
  # clients:                    # or: a name of their own, one simple CNAME in Route 53
  #   kind: dns
  #   zone: example.com
  #   record: db.example.com    # what clients connect to
  #   type: CNAME
  #   blue: db-blue.example.com       # the endpoints' names; both listen on one port
  #   green: db-green.example.com
  #   ttl:
  #     normal: 60
  #     cutover: 5              # writes of clients with the old answer are refused for this long
  #     slack: 60s
  #   drain:
  #     hold: 5s                # how long nobody may have come to the side that was left, on top of ttl.cutover
  #     deadline: 1m            # with clients still coming then, the run holds
  #     spared: []              # roles and application names that may stay, as monitoring
  # validation:
  #   in_window: changed        # or none
  #   max_report: 20
  #   show_values: false        # true: differing values are shown, not only their type, length and a hash
  #   checks:                   # figures of the business, asked on both sides by: invoke validate
  #     - name: revenue-today
  #       sql: SELECT sum(amount) FROM public.orders WHERE created_at >= current_date
  #       within: 5%
  # backup:                     # of blue's rows, before blue ends
  #   kind: dump                # or rds-snapshot, with `instance: shop-blue`
  #   folder: /backups          # on a disk that outlives blue; without it beside the journal
  #   before: false             # true: also before anything is touched

# Each hostname has exactly one carrier: the one place whose weights decide who gets the traffic.
hostnames:
  www:
    host: www.example.com
    carrier:                    # one load balancer in front of two target groups
      kind: alb
      load_balancer: www
      listener_port: 443
      blue: www-blue
      green: www-green
      # healthy_at_least: 1
      # rule:                   # where a rule of the listener carries the share, and not its default action
      #   host: www.example.com
      #   path: /api/*          # where the rule has a path-pattern condition, too
      # sticky: 3600            # the listener's group stickiness outside of a cutover; during one it is off
      # bypassing: refuse       # or tell; rules that send requests for this host past the share
      # drain:                  # at 100 %: wait until blue gets no request, by the load balancer's own count
      #   window: 5m
      #   late: 2m              # how long the figures need until they can be read
      #   deadline: 1h
    # observed:                 # who else says which side answers; without it a shift is as AWS's API shows it
    #   tag:                    # responses that name their side, drawn through DNS and the load balancer
    #     header: X-Version     # or field: app.version, of a JSON response
    #     blue: v1
    #     green: v2
    #     path: /               # what is asked for
    #     scheme: https
    #     port: 443             # or srv
    #   requests: true          # CloudWatch's counts of both target groups
    #   logs:                   # access logs in S3, gzip
    #     bucket: my-logs
    #     prefix: AWSLogs/123456789012/elasticloadbalancing/us-east-1
    #     format: alb           # or cloudfront, where `column` names the side as `blue` and `green` say
    #     column: x-routing-target
    #     late: 6m              # how long after a request its line may come
    #     largest: 200000000    # bytes of logs that are read at most
  api:
    host: api.example.com
    carrier:                    # two weighted record sets of one name
      kind: route53
      zone: example.com
      # type: CNAME             # or A, AAAA
      blue: blue                # their SetIdentifiers
      green: green
      ttl:
        normal: 300
        cutover: 60             # lowered ahead of time, restored after the bake
        # slack: 60s            # for resolvers that keep a record longer than its TTL
      # alias: true             # instead of ttl: aliases of load balancers, which AWS answers with 60 s
      # above: [{name: old.example.com, ttl: 3600}]   # CNAMEs that lead to this hostname, waited out as well
      # fail_back: refused      # or allowed: a side at weight 0 gets visitors by itself when the other's checks fail
      # migrate:                # only where it is one simple record now: it becomes a weighted group, blue alone
      #   green: api-green.example.net
      #   green_ipv6: 2001:db8::2   # beside an A record
      # private: true           # a private zone: its answers are seen only through the resolvers of its VPC
      # vpc: vpc-0123456789abcdef0
      # resolver: env:VPC_RESOLVERS   # its DNS resolvers, host:port, separated by commas; needed for a private zone
      health: [api-blue, api-green]   # load balancers of both sides: no visitors to one without a healthy target
    # observed:
    #   dns: true               # draws at the zone's name servers
  # hooks:
  #   host: hooks.example.com
  #   carrier:                  # two published versions behind one Lambda alias
  #     kind: lambda
  #     function: hooks
  #     alias: live
  #     blue: 41
  #     green: 42
  # app:
  #   host: app.example.com
  #   carrier:                  # a percentage that the application reads
  #     kind: ssm               # or file, with `file: /etc/app/flags.json`
  #     parameter: /app/share
  #     key: green_percent      # in a JSON object; without it the number stands alone
  #     reported: [https://a.app.example.com/flags]   # where each instance says which percentage it goes by
  # search:
  #   host: search.example.com
  #   carrier:                  # a flag of the routing library, by which the application decides for each key
  #     kind: flag
  #     flag: suggestions       # one of `flags`, or with a `store` of its own
  # edge:
  #   host: edge.example.com
  #   carrier:                  # a numeric parameter of a CloudFormation stack; takes minutes, so with strategy: gradual
  #     kind: cloudformation
  #     stack: edge
  #     parameter: TrafficPercentage
  #     scale: 100              # its value when green gets everything
  #     decimals: 0             # digits behind the point
  #     parameters: {}          # those that have to be given by value; all others keep theirs
  #     may_touch: []           # logical ids of the resources that may be modified; none is ever replaced
  #     settle: 15m
  # cdn:
  #   host: cdn.example.com
  #   carrier:                  # CloudFront continuous deployment: shift.shares up to 15, then 100, the promotion
  #     kind: cloudfront
  #     distribution: E2QWRUHAPOMQZL
  #     staging: E3QWRUHAPOMQZL       # the staging distribution, with green's configuration
  #     kept_in: /cutover/prod/cdn    # the SSM parameter that keeps blue's, for the way back
  #     settle: 30m

# dns:
#   servers: env:DNS_SERVERS    # host:port, separated by commas; without it the zone's own name servers
#   resolvers: 1.1.1.1:53,8.8.8.8:53    # whose answers `invoke propagation` shows as well

maintenance:
  kind: none                    # alb: write methods get 503 while writes are stopped, reading goes on
  # load_balancers: [www, api-blue, api-green]
  # methods: [POST, PUT, PATCH, DELETE]
  # message: A short maintenance is under way. Please try again in a minute.
  # priority: 1                 # of the listener rule; must be free
  # hosts: [www.example.com]    # only these hostnames' writes, where others share the load balancers

window:
  budget: 60s                   # longest time without writes
  # on_overrun: undo            # or hold; before the commit point undo gives blue its writes back

shift:
  strategy: gradual             # or immediate: all traffic inside the window
  shares: [10, 50, 100]         # percent of the requests on green
  soak: 1h                      # how long green must stay well; or one for each share: [1h, 1h, 4h]
  # on_failure: rollback        # or hold, previous-phase
  # evidence:                   # how sure each shift has to be, where a hostname is `observed`
  #   alpha: 0.001              # how often, over a whole cutover, shares that are right may be doubted
  #   precision: 20%            # how near the rarer side's share is found, of itself
  #   requests: 2000            # draws of one witness at one share, at most
  #   seconds: 10s              # and how long it draws
  #   settle: 5s                # until a change is in force everywhere
  #   deadline: 15m             # how long counts and logs may take to come in
  # limits:
  #   error_rate: 5             # percent
  #   p95_ms: 2000
  #   at_least: 20              # with fewer requests there is no verdict

smoke:
  path: smoke                   # plain pytest
  # blue: https://blue.example.com    # each side's own address, past the load balancer
  # green: https://green.example.com
  # timeout: 60s

readiness:                      # before anything is touched: see it with invoke preflight
  tests:                        # a command: well when it ends with 0
    command: make test
    timeout: 30m
    # only_looks: true          # it changes nothing, and may run in a dry-run, too
    # variables: {TOKEN: "env:TOKEN"}
  benchmark: {command: bench/search --print p95-ms, at_most: 200ms, timeout: 15m}     # its last line is one number
  # cost: {figure: bill, at_most: 100 USD}      # a figure under metrics, and the bound of its newest value
  team-notified: {attest: decision}             # the role that has to say so

checklist:                      # after the cutover, in the same words, and smoke tests of green (pytest -k)
  checkout: checkout
  error-logs: {attest: application}

APPROVALS_OF_ENVIRONMENT

WORK_OF_ENVIRONMENT

TRIGGERS_OF_ENVIRONMENT

bake:
  soak: 24h                     # at 100 %, before the cutover counts as done

rollback:
  window: 24h                   # the way back is kept warm for this long at least
  waiting_period: 7d            # after a rollback, time to find out why
  # behind_bytes: 1000000000    # when blue lacks more, nothing goes back by itself any more: it freezes, a person decides
  # behind_time: 5m
  # deadline: 2m                # a failing rollback is retried for this long

# decommission:                 # the end of blue, long after `finish`
#   retention: 30d              # not before
#   remind: 60d                 # after this it is said that blue still costs
#   quiet: 24h                  # how long nobody may have used blue
#   spared: []                  # roles and application names that may be on blue's database all the same
#   resources:                  # what is deleted, each after a confirmation by name
#     - {kind: target-group, name: shop-blue}

NOTIFY_WORDS
# ledger: env:LEDGER            # what probes were promised; lost writes are counted against it
# ledger_database: orders       # which of several databases to look it up in
"""
