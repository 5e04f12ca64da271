"""The part of a new environment's file about background work, configuration and steps of one's own."""

WORK = """\
# workers:                      # background work that runs on one side only
#   mails-blue:
#     side: blue                # stopped before writes change sides; started again by a rollback
#     runs_on:
#       kind: ecs
#       cluster: app
#       service: mails
#       count: 2                # how many run now, and after a rollback
#     # runs_on: {kind: autoscaling, group: mails, count: 2, min_size: 1}
#     # runs_on: {kind: event-source, uuid: 12345678-90ab-4cde-8f01-234567890abc}
#     # runs_on: {kind: schedule, rule: nightly-bill, bus: default}
#     timeout: 45s              # blue's and the own steps of the window: in all shorter than window.budget
#     log_group: /ecs/mails     # its last half hour is kept
# configuration:                # SSM parameters with another value on green, written before green's workers start
#   mail-sender:
#     parameter: /app/mail/sender
#     blue: mail-blue.internal  # or references: env:…, file:…, ssm:…, secretsmanager:…
#     green: mail-green.internal
# steps:                        # your own, for what the toolkit does not know
#   search-index:
#     phase: shift-before       # or prepare, window-before, window-after, bake
#     before: old index
#     after: new index
#     between: [half an index]              # what is seen when a command stopped half-way; anything else is left alone
#     observe: ./search which-index         # prints one of these states as its last line
#     observe_is_safe: false    # true: it may run in a dry-run, too
#     to: ./search use-new-index            # all must be as good when they run twice
#     back: ./search use-old-index
#     timeout: 60s
#     why: Visitors of green search in its own index.
#     variables: {SEARCH_TOKEN: "ssm:/app/search/token"}    # their environment
"""
