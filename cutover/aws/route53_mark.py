"""The mark of a name: a TXT record beside it that holds the newest fencing token that was shown there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.errors import LeaseLost, StepFailed

TTL = 60
_VALUE = re.compile(r'"cutover token=(\d+)"')

Record = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """The mark as it was listed, beside the token of whoever is about to write; without a token (0) it is left alone.

    Every batch over the name swaps the mark, too. A batch is all or nothing and deletes only what is exactly there (Route 53
    API, ChangeResourceRecordSets), so one that was made before a newer holder has shown its token fails as a whole.
    """

    name: str
    token: int
    record: Record | None = None

    @classmethod
    def of(cls, name: str, token: int, records: Sequence[Record]) -> "Mark":
        """Raises LeaseLost when a newer token was shown, StepFailed when what stands there is no mark."""
        there = [one for one in records if one["Type"] == "TXT"] if token else []
        if not there:
            return cls(name, token)
        mark = cls(name, token, there[0])
        shown = token_of(there)
        if shown is None:
            raise StepFailed(
                f"{name} TXT is kept for the fencing token of who may change the name, and holds something else: "
                f"{_told(there)}; nothing was written. Give what is there another name"
            )
        if shown > token:
            raise LeaseLost(f"{name} has seen a newer fencing token ({shown}) than {token}: somebody took over")
        return mark

    @property
    def ours(self) -> bool:
        """Whether nothing is left to be shown."""
        return not self.token or (self.record is not None and token_of([self.record]) == self.token)

    def changes(self) -> list[dict[str, Any]]:
        """What a batch has to hold beside the changes of the name itself."""
        if not self.token:
            return []
        value = [{"Value": f'"cutover token={self.token}"'}]
        made = {"Name": self.name, "Type": "TXT", "TTL": TTL, "ResourceRecords": value}
        gone = [] if self.record is None else [{"Action": "DELETE", "ResourceRecordSet": self.record}]
        return [*gone, {"Action": "CREATE", "ResourceRecordSet": made}]


def token_of(records: Sequence[Record]) -> int | None:
    """The token in the TXT records of that name; None when they are something else."""
    values = [str(value["Value"]) for one in records for value in one.get("ResourceRecords", [])]
    found = _VALUE.fullmatch(values[0]) if len(values) == 1 and "SetIdentifier" not in records[0] else None
    return None if found is None else int(found[1])


def _told(records: Sequence[Record]) -> str:
    return ", ".join(str(value["Value"]) for one in records for value in one.get("ResourceRecords", [])) or "an alias"
