"""An SSM parameter, written so that a lost race is seen: AWS takes any write, but raises the version by one at each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cutover.aws.listener import Missing
from cutover.aws.permission import Permission
from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.killpoint import reached

SSM = "ssm"
SENT = "ssm: parameter written"
SECRET = "SecureString"


@dataclass(frozen=True)
class Written:
    """A parameter's value with its type and its version."""

    value: str
    kind: str
    version: int


def find_parameter(aws: Aws, parameter: str, deadline: Deadline, *, decrypted: bool = False) -> Written:
    """Raises Missing with the state to report, AwsError when it cannot be read."""
    try:
        shown = aws.call(SSM, "GetParameter", deadline, Name=parameter, WithDecryption=decrypted)["Parameter"]
    except AwsError as error:
        if error.code == "ParameterNotFound":
            raise Missing(f"there is no parameter {parameter}") from None
        raise
    return Written(shown["Value"], shown["Type"], int(shown["Version"]))


def write_over(
    aws: Aws, parameter: str, found: Written, value: str, known: Callable[[str], bool], deadline: Deadline
) -> bool:
    """Writes `value` over what was found; False when no answer came and the caller has to look again.

    What somebody else wrote between that look and this write is put back, unless it is `known`, a text of which
    nothing is lost; then StepFailed says who it was.
    """
    try:
        version = _put(aws, parameter, found, value, deadline)
    except OutcomeUnknown:
        if deadline.expired:
            raise
        return False
    reached(SENT)
    if version == found.version + 1:
        return True
    # AWS takes no condition with a write: without this, the value of somebody who just went back by hand is lost.
    history = _history(aws, parameter, found.kind == SECRET, deadline)
    theirs = [one for one in history if found.version < int(one["Version"]) < version]
    if not theirs or known(theirs[-1]["Value"]):
        return True
    _put(aws, parameter, found, theirs[-1]["Value"], deadline)
    raise StepFailed(
        f"ssm:{parameter} changed under our hands: version {theirs[-1]['Version']} was written by "
        f"{theirs[-1].get('LastModifiedUser', 'somebody')} just before our {version}, and was put back"
    )


def _put(aws: Aws, parameter: str, found: Written, value: str, deadline: Deadline) -> int:
    asked: dict[str, Any] = {"Name": parameter, "Value": value, "Type": found.kind, "Overwrite": True}
    if found.kind == SECRET:
        # Without the key's name AWS encrypts with the account's default key, which readers may not be allowed to use.
        named = {"Key": "Name", "Option": "Equals", "Values": [parameter]}
        described = aws.call(SSM, "DescribeParameters", deadline, ParameterFilters=[named])["Parameters"]
        if described and described[0].get("KeyId"):
            asked["KeyId"] = described[0]["KeyId"]
    return int(aws.call(SSM, "PutParameter", deadline, **asked)["Version"])


def _history(aws: Aws, parameter: str, decrypted: bool, deadline: Deadline) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        asked = {"Name": parameter, "WithDecryption": decrypted, **token}
        page = aws.call(SSM, "GetParameterHistory", deadline, **asked)
        entries += page["Parameters"]
        if not page.get("NextToken"):
            return sorted(entries, key=lambda one: int(one["Version"]))
        token = {"NextToken": page["NextToken"]}


def parameter_permissions(parameter: str) -> Iterator[Permission]:
    """What looking at a parameter and writing it takes; a SecureString's own key is the environment's to allow."""
    arn = f"arn:aws:ssm:{{region}}:{{account}}:parameter/{parameter.removeprefix('/')}"
    for operation in ("GetParameter", "GetParameterHistory", "PutParameter"):
        yield Permission(SSM, operation, arn)
