"""What is kept of the time in which something went wrong, when a cutover is taken back."""

from typing import Annotated, Literal

from pydantic import Field

from cutover.environment.evidence import JsonField
from cutover.environment.measured import LogFile
from cutover.environment.reading import whole
from cutover.environment.section import Section
from cutover.environment.workers import LogGroup
from cutover.environment.written import Name, Wait


class FileOfLog(Section):
    """A log on this machine, of JSON lines or of any text, with its rotated predecessors."""

    kind: Literal["file"] = "file"
    path: LogFile
    time: JsonField = "time"
    """The field that says when, in JSON lines; other lines begin with their time in ISO 8601."""


class GroupOfLogs(Section):
    """A log group of CloudWatch."""

    kind: Literal["log-group"] = "log-group"
    name: LogGroup


Log = Annotated[FileOfLog | GroupOfLogs, Field(discriminator="kind")]


class Incidents(Section):
    """What the post-mortem file of a rollback begins with, beside its figures and what the run recorded."""

    before: Wait = 600.0
    """How long before the failing verdict figures and logs are kept from."""
    lines: Annotated[int, whole(1, 1000)] = 100
    """How many lines of each log at most, the last ones before the verdict."""
    logs: dict[Name, Log] = Field(default_factory=dict)
    """Green's logs by name; a metrics source of kind json-lines is one by itself. Secrets and mail addresses are hidden."""
