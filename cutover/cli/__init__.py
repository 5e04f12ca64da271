"""The command line: Invoke tasks with flags in, one call, and an exit code out."""

from invoke.collection import Collection

from cutover.cli import (
    alerting,
    asking,
    auditing,
    benches,
    checklist,
    consoling,
    decommissioning,
    faulting,
    flags,
    fuzzing,
    iam,
    incidents,
    local_world,
    looking,
    measuring,
    notifying,
    preflight,
    propagation,
    proving,
    rehearsing,
    reporting,
    running,
    setting_up,
    simulating,
    status,
    triggering,
    validating,
)


def namespace() -> Collection:
    """All tasks; the repository's tasks.py and the console script `cutover` run the same ones."""
    tasks = Collection(
        looking.plan,
        preflight.preflight,
        iam.iam,
        status.status,
        consoling.console,
        looking.history,
        reporting.report,
        auditing.audit,
        propagation.propagation,
        measuring.metrics,
        triggering.triggers,
        triggering.backtest,
        alerting.alerts,
        alerting.dashboards,
        triggering.compare,
        rehearsing.rehearse,
        running.cutover,
        running.rollback,
        running.resume,
        asking.hold,
        asking.approve,
        asking.reject,
        asking.watch,
        running.finish,
        decommissioning.decommission,
        decommissioning.archive,
        asking.unlock,
        notifying.acknowledge,
        incidents.incident,
        validating.validate,
        proving.smoke,
        checklist.checklist,
        proving.checkpoint,
        proving.backup,
        setting_up.init,
        setting_up.schema,
        setting_up.runbook,
        setting_up.test,
        setting_up.lint,
        faulting.faults,
        benches.bench,
        fuzzing.fuzz,
        simulating.simulate,
        simulating.simulate_verdicts,
    )
    tasks.add_collection(Collection("notify", notifying.notify_announce, notifying.notify_test, notifying.send))
    changes = (flags.status, flags.enable, flags.set_share, flags.disable, flags.rollback, flags.metrics, flags.check)
    tasks.add_collection(Collection("flag", *changes))
    tasks.add_collection(Collection("world", *local_world.TASKS))
    return tasks
