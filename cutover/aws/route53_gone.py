"""The end of the old side in a weighted group: its record sets go, and green's stay alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover.aws.listener import Missing, literal, script
from cutover.aws.permission import Permission
from cutover.aws.record_group import Record, RecordName, await_insync, change, policy
from cutover.aws.route53_permission import records_written
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

LISTED, GREEN_ALONE = "blue at 0", "green alone"


@dataclass(frozen=True, kw_only=True)
class BlueOutOfRecords(Step[str]):
    """Deletes blue's weighted record sets, which stood at weight 0: from here on no weight can lead back to it.

    With health checks a record at weight 0 still takes over when all others are unhealthy; one that is deleted does not.
    """

    aws: Aws
    zone: str
    record: str
    record_type: str
    blue: str
    green: str
    private: bool = False
    vpc: str = ""
    before: str = LISTED
    after: str = GREEN_ALONE
    one_way: bool = True
    settle: float = 120.0
    expected: float = 30.0

    @property
    def resource(self) -> str:
        return f"route53-blue:{self.record}:{self.record_type}"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type, self.private, self.vpc)

    def records_changed(self) -> Sequence[RecordName]:
        return (self.where,)

    def observe(self) -> str:
        try:
            return self.state(self.where.records(Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

    def state(self, records: list[Record]) -> str:
        """What the group is: only blue's weight may be 0, and nobody else may be there."""
        odd = sorted({policy(record) for record in records} - {"weighted"})
        if odd:
            return f"not a weighted group: {', '.join(odd)}"
        members = {(record["SetIdentifier"], int(record["Weight"])) for record in records}
        names = {name for name, _ in members}
        if names <= {self.blue, self.green} and {name for name, weight in members if weight} == {self.green}:
            return LISTED if self.blue in names else GREEN_ALONE
        return ", ".join(f"{name} {weight}" for name, weight in sorted(members))

    def commands(self, target: str) -> Sequence[Command]:
        return (DeleteRecords(self),)

    def check_shell(self) -> str:
        each = f'if ($2 == "{self.blue}") there = 1; if (($2 == "{self.green}") == ($3 == 0)) odd = 1'
        told = f'odd ? "traffic is shared" : there ? "{LISTED}" : "{GREEN_ALONE}"'
        return self.where.show("Type,SetIdentifier,Weight,TTL", each, told)

    def permissions(self) -> Iterable[Permission]:
        return records_written(self.where)


@dataclass(frozen=True)
class DeleteRecords(Command):
    """Deletes exactly the record sets that were listed, in one batch, and waits until it is in sync."""

    step: BlueOutOfRecords

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            zone = step.where.hosted.id(deadline)
            while True:
                mark = step.where.marked(zone, deadline)
                records = step.where.listed(zone, deadline)
                seen = step.state(records)
                if seen == GREEN_ALONE:
                    return
                if seen != LISTED:
                    raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
                gone = [
                    {"Action": "DELETE", "ResourceRecordSet": record}
                    for record in records
                    if record["SetIdentifier"] == step.blue
                ]
                try:
                    sent = change(step.where, zone, [*gone, *mark.changes()], mark, deadline)
                    break
                except OutcomeUnknown:
                    if deadline.expired:
                        raise
                except AwsError as error:
                    if error.code != "InvalidChangeBatch":
                        raise
                    if step.where.listed(zone, deadline) != records:
                        raise StepFailed(f"{step.record}: somebody else changed it; nothing was written") from error
                    if deadline.expired or step.where.marked(zone, deadline) == mark:
                        raise
        except Missing as missing:
            raise StepFailed(str(missing)) from missing
        await_insync(step.aws, sent["ChangeInfo"]["Id"], deadline)

    def shell(self) -> str:
        where = self.step.where
        aws = where.aws.shell()
        blue = (
            f" | [?SetIdentifier=={literal(self.step.blue)} && Weight==`0`].{{Action: `DELETE`, ResourceRecordSet: @}}"
        )
        return script(
            [
                where.zone_shell(),
                f"changes=$({where.list_shell(blue)} --output json)",
                '[ "$changes" != "[]" ] || exit 0',
                (
                    f'change=$({aws} route53 change-resource-record-sets --hosted-zone-id "$zone"'
                    f' --change-batch "{{\\"Changes\\": $changes}}" --query ChangeInfo.Id --output text)'
                ),
                f'{aws} route53 wait resource-record-sets-changed --id "$change"',
            ]
        )
