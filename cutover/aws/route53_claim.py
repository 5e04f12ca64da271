"""A name is claimed by showing the fencing token at it; at the end of the cutover the mark is taken away again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.record_group import RecordName, change
from cutover.aws.route53_mark import Mark, token_of
from cutover.aws.route53_permission import records_written
from cutover.aws.route53_zone import ROUTE53
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

MARKED, UNMARKED = "the token is shown", "no token is shown"


@runtime_checkable
class Claimed(Protocol):
    """A step, or a part of one, that changes records."""

    def records_changed(self) -> Iterable[RecordName]:
        """The names whose records it changes."""


def claim(where: RecordName, deadline: Deadline) -> None:
    """Shows our token at the name: from then on no batch takes effect that was made under an older one.

    Without a lease, and where this process has shown it already, nobody is asked; a name without records has nothing to be
    changed. Raises LeaseLost when a newer token was shown, StepFailed when the mark's place is taken, AwsError.
    """
    token = where.aws.token() if where.aws.token is not None else 0
    if not token or where.claim_key(token) in where.aws.claimed:
        return
    backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
    try:
        zone = where.hosted.id(deadline)
        where.listed(zone, deadline)
    except Missing:
        return
    while True:
        mark = where.marked(zone, deadline)
        if mark.ours:
            where.aws.claimed.add(where.claim_key(token))
            return
        try:
            change(where, zone, mark.changes(), mark, deadline)
            return
        except OutcomeUnknown:
            if deadline.expired:
                raise
        except AwsError as error:
            if error.code != "InvalidChangeBatch":
                raise
            if where.marked(zone, deadline) == mark or deadline.expired:
                raise StepFailed(f"{mark.name}: refused, nothing was written: {error.message}") from error
            # Somebody was quicker: whose token is the newer one is seen at the next look.
        backoff.pause(deadline)


def taken(where: RecordName, zone: str, deadline: Deadline) -> str | None:
    """What is said when something else than a token stands where the mark has its place; raises AwsError."""
    there = [one for one in where.mark.of_name(zone, deadline) if one["Type"] == "TXT"]
    if not there or token_of(there) is not None:
        return None
    return f"{where.mark.name} TXT is kept for the fencing token of who may change the name, and holds something else"


@dataclass(frozen=True, kw_only=True)
class MarkGone(Step[str]):
    """Takes away the TXT record that held the fencing token of who may change the name; nobody changes it any more."""

    aws: Aws
    zone: str
    record: str
    record_type: str
    private: bool = False
    vpc: str = ""
    before: str = MARKED
    after: str = UNMARKED
    one_way: bool = True
    settle: float = 60.0
    expected: float = 2.0

    @property
    def resource(self) -> str:
        return f"route53-mark:{self.record}"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type, self.private, self.vpc)

    def observe(self) -> str:
        deadline, mark = Deadline.after(OBSERVE_SECONDS), self.where.mark
        try:
            found = [one for one in mark.of_name(mark.hosted.id(deadline), deadline) if one["Type"] == "TXT"]
        except Missing as missing:
            return str(missing)
        if not found:
            return UNMARKED
        return MARKED if token_of(found) is not None else f"something else stands at {mark.name}"

    def commands(self, target: str) -> Sequence[Command]:
        return (DeleteMark(self),)

    def check_shell(self) -> str:
        mark = self.where.mark
        told = f'/^"cutover token=[0-9]+"$/ ? "{MARKED}" : "something else stands there"'
        awk = f"awk 'NF {{ seen = {told} }} END {{ print seen ? seen : \"{UNMARKED}\" }}'"
        return script([mark.zone_shell(), f"{mark.list_shell('ResourceRecords[].Value')} --output text | {awk}"])

    def permissions(self) -> Iterable[Permission]:
        return [one for one in records_written(self.where) if one.operation != "GetChange"]


@dataclass(frozen=True)
class DeleteMark(Command):
    """Deletes exactly the mark that was listed, unless it is a newer holder's."""

    step: MarkGone

    def run(self, deadline: Deadline) -> None:
        where = self.step.where
        backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
        try:
            zone = where.hosted.id(deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing
        token = where.aws.token() if where.aws.token is not None else 0
        while True:
            found = [one for one in where.mark.of_name(zone, deadline) if one["Type"] == "TXT"]
            if not found:
                return
            if token_of(found) is None:
                raise StepFailed(f"{where.mark.name} is no mark of ours; nothing was written")
            Mark.of(where.mark.name, token, found)  # raises LeaseLost: a newer holder's is not ours to take away
            gone = [{"Action": "DELETE", "ResourceRecordSet": found[0]}]
            try:
                change(where, zone, gone, Mark(where.mark.name, 0), deadline)
                return
            except OutcomeUnknown:
                if deadline.expired:
                    raise
            except AwsError as error:
                if error.code != "InvalidChangeBatch" or deadline.expired:
                    raise
            backoff.pause(deadline)

    def shell(self) -> str:
        mark, aws = self.step.where.mark, self.step.aws.shell()
        ours = "ResourceRecords && starts_with(ResourceRecords[0].Value, '\"cutover token=')"
        deleted = f" | [?{ours}].{{Action: `DELETE`, ResourceRecordSet: @}}"
        return script(
            [
                mark.zone_shell(),
                f"changes=$({mark.list_shell(deleted)} --output json)",
                '[ "$changes" != "[]" ] || exit 0',
                (
                    f'{aws} {ROUTE53} change-resource-record-sets --hosted-zone-id "$zone"'
                    f' --change-batch "{{\\"Changes\\": $changes}}" >/dev/null'
                ),
            ]
        )
