"""The annotated words about the console, in the environment that `invoke init NAME` writes."""

CONSOLE = """\
# console:                      # invoke console; it may be changed while a run is open
#   people:                     # as the journal names them, or the part before @; who is not listed may look
#     anna: [operator, approver]      # without `people` whoever starts the console may do everything
#     bert@desk: [approver]
#   hosts: [console.example.com]      # names under which a proxy serves it by https
#   port: 8443                  # of 127.0.0.1; without it any that is free

"""
