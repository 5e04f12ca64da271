"""Whose account the credentials belong to."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.aws.permission import IDENTITY, Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OtherAccount
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding


@dataclass(frozen=True)
class AccountIsOurs(Check):
    """The same names exist in staging and in production: with the wrong credentials the right commands move the wrong traffic."""

    aws: Aws

    def look(self) -> Finding:
        try:
            self.aws.prove_account(Deadline.after(OBSERVE_SECONDS))
        except OtherAccount as error:
            return Finding.failed(error.message, "log in to the account that the environment names")
        except AwsError as error:
            return Finding.blind(error.message)
        return Finding.passed(f"the credentials belong to account {self.aws.account}")

    def permissions(self) -> Sequence[Permission]:
        return (IDENTITY,)

    def shell(self) -> str:
        return (
            f"account=$({self.aws.shell()} sts get-caller-identity --query Account --output text)\n"
            f'echo "$account"; [ "$account" = {self.aws.account} ]'
        )
