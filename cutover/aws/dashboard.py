"""One CloudWatch dashboard: there as the figures say, or not there."""

import json
from dataclasses import dataclass
from shlex import quote
from typing import Any, ClassVar

from cutover.aws.cloudwatch import CLOUDWATCH
from cutover.aws.kept_document import KeptDocument
from cutover.aws.session import AwsError
from cutover.core.clock import Deadline

ABSENT = ("ResourceNotFound", "DashboardNotFoundError")


@dataclass(frozen=True, kw_only=True)
class DashboardKept(KeptDocument):
    """What is measured in AWS can be seen in AWS, by whoever has no other place to look.

    A dashboard changes nothing. One of the same name that somebody has changed meanwhile is left alone.
    """

    kind: ClassVar[str] = "dashboard"
    operations: ClassVar[tuple[str, str, str]] = ("GetDashboard", "PutDashboard", "DeleteDashboards")
    resource_arn: ClassVar[str] = "arn:aws:cloudwatch::{account}:dashboard/"

    dashboard: str

    @property
    def called(self) -> str:
        return self.dashboard

    def found(self, deadline: Deadline) -> Any:
        return dashboard_found(self, deadline)

    def put(self, document: Any, deadline: Deadline) -> None:
        body = json.dumps(document, sort_keys=True)
        self.aws.call(CLOUDWATCH, "PutDashboard", deadline, DashboardName=self.called, DashboardBody=body)

    def delete(self, deadline: Deadline) -> None:
        self.aws.call(CLOUDWATCH, "DeleteDashboards", deadline, DashboardNames=[self.called])

    def put_shell(self, written: str) -> str:
        return f"{self.cli('put-dashboard')} --dashboard-name {quote(self.called)} --dashboard-body {written}"

    def delete_shell(self) -> str:
        return f"{self.cli('delete-dashboards')} --dashboard-names {quote(self.called)}"

    def check_shell(self) -> str:
        names = f"{self.cli('list-dashboards')} --dashboard-name-prefix {quote(self.called)}"
        same = f"DashboardEntries[?DashboardName==`{json.dumps(self.called)}`].[DashboardName, LastModified]"
        return f"{names} --query {self.shown(same)} --output text"


def dashboard_found(step: DashboardKept, deadline: Deadline) -> Any:
    """The body of the dashboard, None where there is none."""
    try:
        answer = step.aws.call(CLOUDWATCH, "GetDashboard", deadline, DashboardName=step.called)
    except AwsError as error:
        if error.code in ABSENT:
            return None
        raise
    try:
        return json.loads(answer["DashboardBody"])
    except ValueError:
        return {"unreadable": answer["DashboardBody"]}
