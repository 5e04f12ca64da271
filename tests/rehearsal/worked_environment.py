"""An environment with everything beside its traffic: background work, configuration, own steps, two databases, PgBouncer."""

NAME = "worked"
WORDS = """\
name: worked
description: A system with background work
rehearsal: required
aws: {region: eu-central-1, account: "210987654321"}
owners: {decision: a, database: b, traffic: c, application: d}
databases:
  ledger:
    name: ledger
    blue: secretsmanager:worked/ledger-blue
    green: secretsmanager:worked/ledger-green
    clients:
      kind: pgbouncer
      admin: secretsmanager:worked/pgbouncer
      database: books
      file: /etc/pgbouncer/pgbouncer.ini
      blue: ledger-blue.internal:5432
      green: ledger-green.internal:5432
  mails:
    name: mails
    blue: secretsmanager:worked/mails-blue
    green: secretsmanager:worked/mails-green
    schema: copied
    backup: {kind: dump, folder: /var/backups/mails}
  texts:
    name: texts
    blue: secretsmanager:worked/texts-blue
    green: secretsmanager:worked/texts-green
hostnames:
  shop:
    host: shop.worked.example.com
    carrier: {kind: alb, load_balancer: worked, blue: old, green: new, rule: {host: shop.worked.example.com}, sticky: 3600}
  office:
    host: office.worked.example.com
    carrier: {kind: alb, load_balancer: worked, blue: office-old, green: office-new, rule: {host: "office.*", path: "/*"}}
  hooks:
    host: hooks.worked.example.com
    carrier: {kind: lambda, function: hooks, alias: live, blue: 3, green: 5}
  partners:
    host: partners.worked.example.com
    carrier: {kind: lambda, function: hooks, alias: partners, blue: 4, green: 5}
  old-hooks:
    host: old-hooks.worked.example.com
    carrier: {kind: lambda, function: old-hooks, alias: live, blue: 1120, green: 1121}
  app:
    host: app.worked.example.com
    carrier: {kind: ssm, parameter: /worked/share, key: green_percent}
  tablets:
    host: tablets.worked.example.com
    carrier: {kind: ssm, parameter: /worked/share, key: tablets}
  admin:
    host: admin.worked.example.com
    carrier: {kind: file, file: /etc/worked/flags.json, key: green_percent}
maintenance: {kind: alb, load_balancers: [worked]}
window: {budget: 3m}
shift: {strategy: immediate, soak: 30m}
bake: {soak: 24h}
workers:
  mails: {side: blue, runs_on: {kind: ecs, cluster: jobs, service: mails, count: 2}, log_group: /ecs/mails}
  bills: {side: blue, runs_on: {kind: ecs, cluster: jobs, service: bills, count: 1}}
  images: {side: blue, runs_on: {kind: autoscaling, group: images, count: 3, min_size: 1}}
  orders: {side: green, runs_on: {kind: event-source, uuid: 0a1b2c3d-0a1b-4c2d-8e3f-0123456789ab}}
  nightly: {side: green, runs_on: {kind: schedule, rule: nightly}}
  hourly: {side: green, runs_on: {kind: schedule, rule: hourly, bus: jobs}}
configuration:
  sender: {parameter: /worked/sender, blue: old mail, green: new mail}
  token: {parameter: /worked/token, blue: "ssm:/worked/token-blue", green: "secretsmanager:worked/token"}
steps:
  banner:
    phase: window-before
    before: none
    after: shown
    between: [half shown]
    observe: curl -fsS https://status.example.com/banner
    to: |
      curl -fsS -X PUT https://status.example.com/banner -H "Authorization: Bearer $TOKEN"
    back: curl -fsS -X DELETE https://status.example.com/banner
    variables: {TOKEN: "secretsmanager:worked/status-token"}
    timeout: 20s
    why: Visitors are told before writes wait.
"""
