"""The twin of background work, own steps, several databases and PgBouncer, in its world: there and back, as its plan says."""

import shutil
from pathlib import Path

import pytest
import worked_environment
from left_over import belonging_to

from cutover.rehearsal.legs import Walk
from cutover.rehearsal.rehearse import Rehearsal, Wanted
from cutover.rehearsal.same_plan import proven_same
from cutover.rehearsal.stage import Stage, staged
from cutover.rehearsal.writer import writing
from cutover.world import bouncer

REPOSITORY = Path(__file__).parents[2]
STEPS = {
    "workers-stopped-mails", "workers-stopped-bills", "workers-stopped-images", "workers-started-orders",
    "workers-started-nightly", "workers-started-hourly", "configuration-sender", "configuration-token", "own-banner",
    "schema-tables-mails", "traffic-shop-100", "traffic-office-100", "sticky-off-shop",
}  # fmt: skip


@pytest.fixture
def rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    assert bouncer.PROGRAM.exists(), bouncer.INSTALL
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "worked.yaml").write_text(worked_environment.WORDS, encoding="utf-8")
    shutil.copytree(REPOSITORY / "smoke", tmp_path / "smoke", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return Rehearsal("worked", Wanted(scale=50), tmp_path / "home" / "rehearsal" / "worked", print)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_works_beside_the_application_goes_there_and_back(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.root.mkdir(parents=True)
    (rehearsal.root / "clock").write_text("what a killed rehearsal left", encoding="utf-8")
    with staged(rehearsal.twin, rehearsal.root, print) as stage:
        proven_same(rehearsal.app.plan, stage.app.plan, rehearsal.twin.rewritten, rehearsal.twin.not_rehearsed)
        rehearsal.filled_with_rows(stage)
        for name, value in stage.variables.items():
            monkeypatch.setenv(name, value)  # as `adopt` does, but taken back
        mails = rehearsal.found["HOOKS"]
        with writing(stage.variables, "HOOKS", mails, rehearsal.twin.beside["HOOKS"]) as writer:
            walk = Walk(stage, print, writer.prove)
            last = walk.plan.phases[-1].name
            walk.forward(last)
            _green(stage)
            walk.back(last)
            first = walk.plan.phases[0].name
            walk.forward(first)
            walk.back(first, everything=True)
            assert writer.promised > 20, "somebody wrote into the copied database, too"
        assert walk.proven > 100
        assert STEPS <= walk.undone(), STEPS - walk.undone()
        assert (stage.commands.folder / "own-steps" / "banner").read_text() == "none\n"
    assert belonging_to(rehearsal.root) == []


def _green(stage: Stage) -> None:
    """What another program sees of the world when green serves."""
    asked = {name: step.observe() for name, step in ((step.name, step) for _, step in stage.app.plan.steps())}
    assert asked["workers-stopped-images"] == "stopped" and asked["workers-started-hourly"] == "enabled"
    assert asked["configuration-token"] == "green's value"
    pool = stage.shop.pool
    assert pool is not None and pool.where() == "green"
    assert Path(stage.variables["SHOP_POOL_FILE"]).read_text().count(stage.variables["SHOP_POOL_GREEN"].split(":")[1])
