"""The annotated words about telling, in the environment that `invoke init NAME` writes."""

NOTIFY = """\
# notify:                       # who is told what; it may be changed while a run is open
#   channels:
#     chat: {kind: slack, webhook: "ssm:/app/slack-webhook"}
#     pager: {kind: pagerduty, key: "ssm:/app/pagerduty-key"}       # url: https://events.eu.pagerduty.com/v2/enqueue
#     topic: {kind: sns, topic: "arn:aws:sns:us-east-1:123456789012:app-cutover"}
#     own: {kind: webhook, url: "env:NOTICE_URL", secret: "env:NOTICE_SECRET"}      # JSON, signed: Cutover-Signature
#     mail:
#       kind: email
#       host: smtp.example.com
#       port: 587
#       security: starttls      # or tls, or none (then nobody logs in)
#       user: env:SMTP_USER
#       password: env:SMTP_PASSWORD
#       sender: cutover@example.com
#       to: [oncall@example.com]
#   routes:                     # without any, each channel gets what is `info` or more urgent
#     - {to: [chat], least: info}               # detail, info, warning, critical; none: only the events
#     - {to: [pager], least: critical}
#     - {to: [mail], least: none, events: [announced, started, done, rolled-back, finished, update]}
#   escalation:                 # of what is critical, until somebody types: invoke acknowledge
#     - {after: 10m, to: [mail]}
#   updates:                    # how it stands, after the switch
#     - {until: 8h, every: 1h}
#     - {until: 24h, every: 4h}
#   texts:                      # a message's words, by its event, and those for users: {environment}, {run}, {who} …
#     users-window: The shop is closed for a minute.
#   patience: 10s               # how long one try may take
#   give_up: 10m                # how long a message is tried again; then that is recorded
#   flush: 5s                   # how long a command that ends waits for messages under way

"""
