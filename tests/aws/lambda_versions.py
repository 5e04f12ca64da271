"""A Lambda function with published versions and an alias on the local endpoint."""

import io
import zipfile
from typing import Any

from local_aws import Endpoint

from cutover.aws.session import AwsError
from cutover.core.clock import Deadline

FUNCTION, ALIAS = "shop-api", "live"
ROLE = "arn:aws:iam::123456789012:role/shop-api"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:dead"


class Versions:
    """Versions 1 to 4 of one function: 3 has another role, 4 a dead-letter queue."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        try:
            self.ask("GetFunction")
        except AwsError:
            self._make()

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        given = {"FunctionName": FUNCTION, **parameters}
        return self._endpoint.aws.call("lambda", operation, Deadline.after(20), **given)

    def _make(self) -> None:
        iam = self._endpoint.aws.client("iam")
        for name in ("shop-api", "other"):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as content:
            content.writestr("shop.py", "def handler(event, context): return {}")
        self.ask(
            "CreateFunction",
            Runtime="python3.12",
            Role=ROLE,
            Handler="shop.handler",
            Code={"ZipFile": archive.getvalue()},
        )
        self.ask("PublishVersion")
        for change in (
            {"Description": "green"},
            {"Role": ROLE.replace("shop-api", "other")},
            {"Role": ROLE, "DeadLetterConfig": {"TargetArn": QUEUE}},
        ):
            self.ask("UpdateFunctionConfiguration", **change)
            self.ask("PublishVersion")
        self.ask("CreateAlias", Name=ALIAS, FunctionVersion="1")

    def points(self, version: str, **weights: float) -> None:
        """The alias as somebody else may leave it; a second version as v2=0.1."""
        routing = {"AdditionalVersionWeights": {name[1:]: weight for name, weight in weights.items()}}
        self.ask("UpdateAlias", Name=ALIAS, FunctionVersion=version, RoutingConfig=routing)

    def alias(self) -> tuple[str, dict[str, float]]:
        shown = self.ask("GetAlias", Name=ALIAS)
        return shown["FunctionVersion"], (shown.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
