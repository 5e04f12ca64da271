"""A person at a shell: pastes what the runbooks print into bash, one session prepared as the page says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST = 180.0  # seconds that one pasted block may take


@dataclass(frozen=True)
class Shell:
    """Bash in the repository's root, with the tools that a person has, and the page's own preparation before each block."""

    preparation: str
    environment: Mapping[str, str]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """One pasted block; its exit code is the caller's to judge."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{self.preparation}\n{script}"],
            cwd=ROOT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )


def preparation(page: str) -> str:
    """The block that the page asks for before anything else is pasted."""
    return page.split("\n## Before you paste\n", 1)[1].split("\n```bash\n", 1)[1].split("\n```\n", 1)[0]


def shell(preparation: str, home: Path, aws: str, postgres: str) -> Shell:
    """`aws` and `postgres` are the folders of the aws command and of psql."""
    assert shutil.which("dig"), "dig is needed: apt-get install bind9-dnsutils"
    folders = [postgres, aws, str(Path(sys.executable).parent), os.environ["PATH"]]
    # Only what a person's own shell would have: everything else has to come from the page.
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    nothing_of_the_user = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return Shell(
        preparation,
        {**kept, **nothing_of_the_user, "PATH": os.pathsep.join(folders), "CUTOVER_HOME": str(home)},
    )
