"""The part of a new environment's file that says who has to agree."""

APPROVALS = """\
# approvals:                    # gates that people open: invoke approve | reject --role ROLE --comment …
#   go-no-go:
#     before: window            # or prepare, shift-SHARE, bake, end
#     roles: [decision, database]
#     different_people: true    # nobody signs for two of them
#     criteria: Replication is caught up and nobody deploys tonight.
#     deadline: 4h
#     on_timeout: hold          # or rollback, freeze, previous-phase
#     on_reject: rollback       # or hold, freeze, previous-phase
"""
