"""What is reviewed in a dry-run is the plan that is run: by its digest, in every environment that is committed."""

from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.environment import names

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


@pytest.mark.parametrize("which", ["cutover", "finish", "decommission"])
@pytest.mark.parametrize("name", names(ENVIRONMENTS))
def test_a_dry_run_shows_the_very_plan(name: str, which: str) -> None:
    run, dry = (open_environment(name, read_only=read_only, directory=ENVIRONMENTS) for read_only in (False, True))
    assert run.plan_named(which).digest() == dry.plan_named(which).digest()
