"""A database instance of RDS: a snapshot that counts when it is available, and the instance's end."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from cutover.aws.gone import ABSENT, DELETING, PRESENT, Gone
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

RDS = "rds"
NO_SNAPSHOT, CREATING, AVAILABLE = "no snapshot", "creating", "available"
SUPERSEDED = "cutover-superseded"
NOT_FOUND = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})


@dataclass(frozen=True, kw_only=True)
class SnapshotTaken(Step[str]):
    """Has RDS keep a snapshot of an instance, which outlives the instance; `available` is RDS's own word that it is whole.

    A way back deletes no snapshot: it is only marked as belonging to an earlier try. Restore one before you rely on it.
    """

    aws: Aws
    instance: str
    prefix: str
    """What the snapshots of this step are called, up to their number."""
    before: str = NO_SNAPSHOT
    after: str = AVAILABLE
    between: frozenset[str] = frozenset({CREATING})
    settle: float = 21_600.0
    expected: float = 600.0

    @property
    def resource(self) -> str:
        return f"snapshot:{self.prefix}"

    def observe(self) -> str:
        current = self.current(Deadline.after(OBSERVE_SECONDS))
        return NO_SNAPSHOT if current is None else str(current["Status"])

    def current(self, deadline: Deadline) -> dict[str, Any] | None:
        """The snapshot of this try, None when there is none."""
        return next((one for one in self.ours(deadline) if not _superseded(one)), None)

    def ours(self, deadline: Deadline) -> list[dict[str, Any]]:
        """Every snapshot of the instance that this step has ever made, newest first."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            answer = self.aws.call(RDS, "DescribeDBSnapshots", deadline, DBInstanceIdentifier=self.instance, **page)
            found += [one for one in answer["DBSnapshots"] if self._number(one)]
            if not answer.get("Marker"):
                return sorted(found, key=self._number, reverse=True)
            page = {"Marker": answer["Marker"]}

    def next_name(self, deadline: Deadline) -> str:
        """A name that no snapshot of ours has."""
        return f"{self.prefix}-{max(map(self._number, self.ours(deadline)), default=0) + 1}"

    def _number(self, snapshot: dict[str, Any]) -> int:
        prefix, _, number = str(snapshot["DBSnapshotIdentifier"]).rpartition("-")
        return int(number) if prefix == self.prefix and number.isdecimal() else 0

    def progress(self) -> str:
        current = self.current(Deadline.after(OBSERVE_SECONDS)) or {}
        return f"{current['PercentProgress']} %" if "PercentProgress" in current else ""

    def commands(self, target: str) -> Sequence[Command]:
        return (TakeSnapshot(self),) if target == AVAILABLE else (Supersede(self),)

    def check_shell(self) -> str:
        return f'{self.find_shell()}\nset -- $current\necho "${{2:-{NO_SNAPSHOT}}}"'

    def find_shell(self) -> str:
        """Sets $all to the numbers of all our snapshots, $current to name, status and ARN of the one of this try."""
        mine = f"DBSnapshots[?starts_with(DBSnapshotIdentifier, `{self.prefix}-`)]"
        shown = "[DBSnapshotIdentifier, Status, DBSnapshotArn, length(TagList[?Key==`" + SUPERSEDED + "`] || `[]`)]"
        return (
            f"listed=$({self.aws.shell()} rds describe-db-snapshots --db-instance-identifier {quote(self.instance)}"
            f" --query {quote(f'{mine}.{shown}')} --output text)\n"
            "current=$(awk '$4 == 0 { print $1, $2, $3 }' <<< \"$listed\")\n"
            'last=$(awk \'{ n = $1; sub(/.*-/, "", n); if (n + 0 > most) most = n + 0 } END { print most + 0 }\' <<< "$listed")'
        )

    def permissions(self) -> Iterable[Permission]:
        snapshots = _arn("snapshot", f"{self.prefix}-*")
        yield Permission(RDS, "DescribeDBSnapshots", _arn("snapshot", "*"))
        yield Permission(RDS, "CreateDBSnapshot", snapshots)
        yield Permission(RDS, "CreateDBSnapshot", _arn("db", self.instance))
        yield Permission(RDS, "AddTagsToResource", snapshots)


@dataclass(frozen=True)
class TakeSnapshot(Command):
    """Asks for the snapshot unless it is there or on its way."""

    step: SnapshotTaken

    def run(self, deadline: Deadline) -> None:
        step = self.step
        while step.current(deadline) is None:
            name = step.next_name(deadline)
            try:
                step.aws.call(
                    RDS, "CreateDBSnapshot", deadline, DBSnapshotIdentifier=name, DBInstanceIdentifier=step.instance
                )
            except OutcomeUnknown:
                if deadline.expired:
                    raise
            except AwsError as error:
                # Another process of ours may have been faster; a name that somebody else has is not ours to take.
                if not error.code.startswith("DBSnapshotAlreadyExists") or step.current(deadline) is None:
                    raise

    def shell(self) -> str:
        step, aws = self.step, self.step.aws.shell()
        return (
            f"(set -euo pipefail\n{step.find_shell()}\nset -- $current\nname=${{1:-{step.prefix}-$((last + 1))}}\n"
            f'[ -n "$current" ] || {aws} rds create-db-snapshot --db-snapshot-identifier "$name"'
            f" --db-instance-identifier {quote(step.instance)}\n"
            f'{aws} rds wait db-snapshot-available --db-snapshot-identifier "$name")'
        )


@dataclass(frozen=True)
class Supersede(Command):
    """Marks the snapshot of this try; it stays."""

    step: SnapshotTaken

    def run(self, deadline: Deadline) -> None:
        step = self.step
        while (current := step.current(deadline)) is not None:
            tags = [{"Key": SUPERSEDED, "Value": "true"}]
            try:
                step.aws.call(RDS, "AddTagsToResource", deadline, ResourceName=current["DBSnapshotArn"], Tags=tags)
            except OutcomeUnknown:
                if deadline.expired:
                    raise

    def shell(self) -> str:
        tag = (
            f'{self.step.aws.shell()} rds add-tags-to-resource --tags Key={SUPERSEDED},Value=true --resource-name "$3"'
        )
        return f'(set -euo pipefail\n{self.step.find_shell()}\nset -- $current\n[ -z "$current" ] || {tag})'


@dataclass(frozen=True, kw_only=True)
class InstanceGone(Gone):
    """Deletes a database instance of the old side; RDS takes a last snapshot of it on the way, always."""

    final_snapshot: str
    serving: tuple[Callable[[], Collection[str]], ...] = field(default=(), compare=False, repr=False)
    """Host names of databases that serve: the instance must be none of them."""
    settle: float = 7_200.0
    expected: float = 600.0

    @property
    def resource(self) -> str:
        return f"rds-instance:{self.identifier}"

    def seen(self, deadline: Deadline) -> str:
        found = self._found(deadline)
        if found is None:
            return ABSENT
        return DELETING if found["DBInstanceStatus"] == "deleting" else PRESENT

    def _found(self, deadline: Deadline) -> dict[str, Any] | None:
        try:
            asked = self.aws.call(RDS, "DescribeDBInstances", deadline, DBInstanceIdentifier=self.identifier)
        except AwsError as error:
            if error.code in NOT_FOUND:
                return None
            raise
        return dict(asked["DBInstances"][0])

    def refuse_used(self, deadline: Deadline) -> None:
        found = self._found(deadline) or {}
        if found.get("DeletionProtection"):
            raise StepFailed(
                f"database instance {self.identifier} is protected against deletion; nothing was deleted. When it may go: "
                f"{self.aws.shell()} rds modify-db-instance --db-instance-identifier {quote(self.identifier)} "
                "--no-deletion-protection --apply-immediately"
            )
        address = str(found.get("Endpoint", {}).get("Address", "")).lower()
        if address and address in {host.lower() for hosts in self.serving for host in hosts()}:
            raise StepFailed(f"database instance {self.identifier} is green's own ({address}); nothing was deleted")
        if replicas := found.get("ReadReplicaDBInstanceIdentifiers"):
            raise StepFailed(f"database instance {self.identifier} has read replicas: {replicas}; nothing was deleted")

    def delete(self, deadline: Deadline) -> None:
        self.aws.call(
            RDS, "DeleteDBInstance", deadline,
            DBInstanceIdentifier=self.identifier, SkipFinalSnapshot=False,
            FinalDBSnapshotIdentifier=self.final_snapshot, DeleteAutomatedBackups=False,
        )  # fmt: skip

    def delete_shell(self) -> str:
        aws, name = self.aws.shell(), quote(self.identifier)
        return (
            f"(set -euo pipefail\n{self.check_shell()}\n"
            f'[ "$seen" != {PRESENT} ] || {aws} rds delete-db-instance --db-instance-identifier {name}'
            f" --no-skip-final-snapshot --final-db-snapshot-identifier {quote(self.final_snapshot)} --no-delete-automated-backups\n"
            f"{aws} rds wait db-instance-deleted --db-instance-identifier {name})"
        )

    def check_shell(self) -> str:
        query = quote(f"DBInstances[?DBInstanceIdentifier==`{self.identifier}`].DBInstanceStatus")
        return (
            f"status=$({self.aws.shell()} rds describe-db-instances --query {query} --output text)\n"
            f'case "$status" in "") seen={ABSENT};; deleting) seen={DELETING};; *) seen={PRESENT};; esac\necho "$seen"'
        )

    def permissions(self) -> Iterable[Permission]:
        for operation in ("DescribeDBInstances", "DeleteDBInstance"):
            yield Permission(RDS, operation, _arn("db", self.identifier))
        yield Permission(RDS, "DeleteDBInstance", _arn("snapshot", self.final_snapshot))


def _superseded(snapshot: dict[str, Any]) -> bool:
    return any(tag["Key"] == SUPERSEDED for tag in snapshot.get("TagList", ()))


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:rds:{{region}}:{{account}}:{kind}:{name}"
