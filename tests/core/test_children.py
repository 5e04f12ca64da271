"""What commands that we start find in their environment: not what is withheld from them."""

import os
import subprocess
import sys

PROGRAM = """
from cutover.core.children import inherited, withhold
assert inherited()["TOKEN"] == "t" and inherited()["OTHER"] == "o"
withhold(["TOKEN", "NOT_SET"])
withhold([])
assert "TOKEN" not in inherited() and inherited()["OTHER"] == "o"
"""


def test_what_is_withheld_is_not_inherited_and_all_else_is() -> None:
    variables = {**os.environ, "TOKEN": "t", "OTHER": "o"}
    subprocess.run([sys.executable, "-c", PROGRAM], env=variables, check=True, timeout=60)
