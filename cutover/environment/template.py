"""The annotated environment that `invoke init NAME` writes: every key, each with its reason; it loads as it stands."""

import re

from cutover.core.errors import ConfigurationRefused
from cutover.environment.source import NAME


def template(name: str) -> str:
    """The YAML text of a new environment; raises ConfigurationRefused where `name` cannot be a file's name."""
    if not re.fullmatch(NAME, name):
        raise ConfigurationRefused(
            ["the name of an environment is lower-case letters, digits and dashes, starting with a letter (at most 40)"]
        )
    return _TEMPLATE.replace("NAME_OF_ENVIRONMENT", name)


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

aws:
  region: us-east-1
  # profile: my-profile         # of ~/.aws/config
  # account: "123456789012"     # the credentials must belong to it; keep the quotes

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
      health: [api-blue, api-green]   # load balancers whose targets must be healthy

# dns:
#   servers: env:DNS_SERVERS    # host:port, separated by commas; without it the zone's own name servers

maintenance:
  kind: none                    # alb: write methods get 503 while writes are stopped, reading goes on
  # load_balancers: [www, api-blue, api-green]
  # methods: [POST, PUT, PATCH, DELETE]
  # message: A short maintenance is under way. Please try again in a minute.
  # priority: 1                 # of the listener rule; must be free

window:
  budget: 60s                   # longest time without writes
  # on_overrun: undo            # or hold; before the commit point undo gives blue its writes back

shift:
  strategy: gradual             # or immediate: all traffic inside the window
  shares: [10, 50, 100]         # percent of the requests on green
  soak: 1h                      # how long green must stay well; or one for each share: [1h, 1h, 4h]
  # on_failure: rollback        # or hold, previous-phase
  # limits:
  #   error_rate: 5             # percent
  #   p95_ms: 2000
  #   at_least: 20              # with fewer requests there is no verdict

smoke:
  path: smoke                   # plain pytest
  # blue: https://blue.example.com    # each side's own address, past the load balancer
  # green: https://green.example.com
  # timeout: 60s

checklist:                      # after the cutover: name → smoke tests (pytest -k), or the role that has to say so
  checkout: checkout
  error-logs: {attest: application}

bake:
  soak: 24h                     # at 100 %, before the cutover counts as done

rollback:
  window: 24h                   # the way back is kept warm for this long at least
  waiting_period: 7d            # after a rollback, time to find out why
  # deadline: 2m                # a failing rollback is retried for this long

# ledger: env:LEDGER            # what probes were promised; lost writes are counted against it
# ledger_database: orders       # which of several databases to look it up in
"""
