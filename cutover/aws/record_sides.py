"""What the record sets of one weighted name lead to: by which answer a side is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.listener import Missing
from cutover.aws.permission import Permission
from cutover.aws.record_group import RecordName
from cutover.aws.route53_permission import records_read
from cutover.aws.session import OBSERVE_SECONDS
from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable


@dataclass(frozen=True)
class RecordSides:
    """The values of both sides' record sets; `blue` and `green` are their SetIdentifiers."""

    where: RecordName
    blue: str
    green: str

    def __call__(self) -> Mapping[str, str]:
        """blue or green by value; an alias's target stands for the addresses that it has. Raises Unreachable."""
        names = {self.blue: "blue", self.green: "green"}
        try:
            records = self.where.records(Deadline.after(OBSERVE_SECONDS))
        except Missing as missing:
            raise Unreachable(str(missing)) from missing
        found = [(value, names.get(str(one.get("SetIdentifier")))) for one in records for value in self._values(one)]
        sides = {value: side for value, side in found if side is not None}
        if {value for value, side in found if side == "blue"} & {value for value, side in found if side == "green"}:
            raise Unreachable(f"{self.where.name}: blue's record set leads where green's does: no answer tells a side")
        return sides

    def _values(self, record: dict[str, Any]) -> list[str]:
        if record["Type"] != self.where.type:
            return []
        if "AliasTarget" in record:
            return [str(record["AliasTarget"]["DNSName"])]
        return [str(one["Value"]) for one in record["ResourceRecords"]]

    def shell(self) -> str:
        """Lines that set $blue and $green."""
        columns = "[Type, SetIdentifier, AliasTarget.DNSName || ResourceRecords[0].Value]"
        side = (
            f"$(awk -F'\\t' -v type={self.where.type} -v side={{}} '$1 == type && $2 == side"
            ' {{ sub(/\\.$/, "", $3); print tolower($3) }}\' <<<"$listed")'
        )
        return "\n".join(
            [
                "export AWS_PAGER=",
                self.where.zone_shell(),
                f"listed=$({self.where.list_shell(columns)} --output text)",
                f"blue={side.format(quote(self.blue))} green={side.format(quote(self.green))}",
            ]
        )

    def permissions(self) -> Iterable[Permission]:
        return records_read(self.where)
