"""What a command loads: each start pays for it, and it comes back unnoticed by one import at the top of a file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cli.shell import Shell

LOADED = """\
import json, sys
sys.argv = ["cutover", "plan", "--env", "staging", "--json"]
from cutover.cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def loaded(shell: Shell) -> set[str]:
    """The modules that a plan of staging, whose shares are carried by a load balancer and by records, has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=shell.folder,
        env=shell.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["environment"] == "staging"
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_a_plan_loads_what_it_shows_and_not_what_others_need(loaded: set[str]) -> None:
    assert {"cutover.plans.carried_alb", "cutover.plans.carried_route53", "boto3"} <= loaded
    assert not loaded & {"rich.console", "requests", "dns.message", "dns.resolver", "jinja2", "starlette"}


def test_a_plan_loads_the_kinds_that_its_environment_names(loaded: set[str]) -> None:
    kinds = {"plans.carried_lambda", "plans.carried_cloudfront", "aws.workers_ecs", "metrics.redis", "notify.mail"}
    assert not loaded & {f"cutover.{kind}" for kind in kinds}
