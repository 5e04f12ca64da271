"""The command line: Invoke tasks with flags in, one call, and an exit code out."""

from invoke.collection import Collection

from cutover.cli import benches, local_world, looking, preflight, proving, running, setting_up, validating


def namespace() -> Collection:
    """All tasks; the repository's tasks.py and the console script `cutover` run the same ones."""
    tasks = Collection(
        looking.plan,
        preflight.preflight,
        looking.status,
        looking.history,
        running.cutover,
        running.rollback,
        running.resume,
        running.hold,
        running.finish,
        running.unlock,
        validating.validate,
        proving.smoke,
        proving.checklist,
        proving.backup,
        setting_up.init,
        setting_up.schema,
        setting_up.runbook,
        setting_up.test,
        setting_up.lint,
        setting_up.faults,
        benches.bench,
    )
    tasks.add_collection(Collection("world", local_world.up, local_world.down, local_world.status, local_world.load))
    return tasks
