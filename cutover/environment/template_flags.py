"""The part of a new environment's YAML text about flags of the routing library."""

FLAGS = """\
# flags:                        # by which the application decides for each key; moved by `invoke flag.enable` and its like
#   suggestions:
#     store: file:/etc/app/flags.json    # sqlite:PATH, ssm:/PATH, postgresql://…, redis://…, or env:NAME with a password in it
#     description: Which implementation answers
#     criteria:                 # what `invoke flag.check` asks of the candidate
#       error_rate: 5           # percent of its requests
#       slower_ms: 100          # its p95, against that of legacy
#       fallback_rate: 1        # percent of its keys
#       at_least: 1000          # requests of a side; with fewer the answer is HOLD
#       fresh: 5m               # older counts are none
#       complaints: application # the role that attests that there is no critical complaint
#     snapshots: [https://a.app.example.com/router]   # where each process shows what its router counted
"""
