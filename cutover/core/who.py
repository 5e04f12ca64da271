"""Who types the commands."""

import getpass
import os
import socket


def who() -> str:
    """The operator, as the journal names them."""
    return os.environ.get("CUTOVER_WHO") or f"{getpass.getuser()}@{socket.gethostname()}"
