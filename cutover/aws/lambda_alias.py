"""The share as the weights of two versions behind one Lambda alias, changed by compare-and-swap."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from shlex import quote
from typing import Any, ClassVar

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Check, Finding
from cutover.core.killpoint import reached
from cutover.core.share import Share
from cutover.core.step import Command, Step

LAMBDA = "lambda"
ABSENT, CHANGED = "ResourceNotFoundException", "PreconditionFailedException"
NO_CONCURRENCY = "ProvisionedConcurrencyConfigNotFoundException"
SENT = "lambda: alias written"
ROUTING = "AdditionalVersionWeights"


@dataclass(frozen=True)
class Alias:
    """An alias as AWS shows it: the version that it names, and the weight of a second one."""

    version: str
    weights: Mapping[str, Decimal]
    revision: str

    def __str__(self) -> str:
        others = ", ".join(f"{100 * weight:f} % to version {name}" for name, weight in sorted(self.weights.items()))
        return f"version {self.version}" + (f", {others}" if others else "")


def find_alias(aws: Aws, function: str, alias: str, deadline: Deadline) -> Alias:
    """Raises Missing with the state to report, AwsError when it cannot be read."""
    try:
        shown = aws.call(LAMBDA, "GetAlias", deadline, FunctionName=function, Name=alias)
    except AwsError as error:
        if error.code == ABSENT:
            raise Missing(f"there is no alias {alias} of a function {function}") from None
        raise
    routing: Mapping[str, float] = (shown.get("RoutingConfig") or {}).get(ROUTING) or {}
    weights = {version: Decimal(str(weight)) for version, weight in routing.items() if weight}
    return Alias(shown["FunctionVersion"], weights, shown["RevisionId"])


@dataclass(frozen=True, kw_only=True)
class LambdaAliasShare(Step[Share | str]):
    """Sends a percentage of the invocations to green by the weights of two published versions behind one alias.

    Lambda draws lots for each invocation: one visitor may be answered by blue and then by green, and among few invocations
    the share that is seen lies beside the one that is written. At 100 % the alias names green's version alone.
    """

    aws: Aws
    function: str
    alias: str
    blue: str
    green: str
    """Numbers of published versions; Lambda refuses $LATEST beside a second version (developer guide, weighted aliases)."""

    @property
    def resource(self) -> str:
        return f"lambda:{self.function}:{self.alias}"

    @property
    def lane(self) -> str:
        return "traffic"

    def observe(self) -> Share | str:
        try:
            return self.state(find_alias(self.aws, self.function, self.alias, Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

    def state(self, alias: Alias) -> Share | str:
        """The share that the alias carries, or what is unusual about it."""
        if {alias.version, *alias.weights} - {self.blue, self.green} or alias.version in alias.weights:
            return str(alias)
        green = alias.weights.get(self.green, Decimal(0))
        if alias.version == self.green:
            green = 1 - alias.weights.get(self.blue, Decimal(0))
        if alias.weights and not 0 < green < 1:
            return str(
                alias
            )  # AWS takes all weight on the second version, but then the first is not what the name says
        try:
            return Share(100 * green)
        except ValueError:
            return str(alias)

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        return (SetAliasWeights(self, target),)

    def routing(self, target: Share) -> tuple[str, dict[str, float]]:
        """The version that the alias names at a share, and the weights beside it (four decimals: 0.01 %)."""
        if target.percent in (0, 100):
            return (self.green if target.percent else self.blue), {}
        return self.blue, {self.green: float(target.percent / 100)}

    def check_shell(self) -> str:
        ask = f"[FunctionVersion, to_string(RoutingConfig.{ROUTING})]"
        program = (
            "import json, sys\n"
            "blue, green = sys.argv[1:]\n"
            "version, weights = json.load(sys.stdin)\n"
            'weights = {k: w for k, w in (json.loads(weights if weights != "null" else "{}") or {}).items() if w}\n'
            "part = weights.get(green, 0) if version == blue else 1 - weights.get(blue, 0)\n"
            "odd = {version, *weights} - {blue, green} or weights and not 0 < part < 1\n"
            'print(version, weights, "other versions" if odd else f"{100 * part:.4g} %", sep="\\n")'
        )
        show = f"{self._cli('get-alias')} --query {quote(ask)} --output json"
        return script([f"{show} | python3 -c {quote(program)} {quote(self.blue)} {quote(self.green)}"])

    def permissions(self) -> Iterator[Permission]:
        for operation in ("GetAlias", "UpdateAlias"):
            yield Permission(LAMBDA, operation, _arn(self.function))

    def _cli(self, verb: str) -> str:
        return f"{self.aws.shell()} lambda {verb} --function-name {quote(self.function)} --name {quote(self.alias)}"


@dataclass(frozen=True)
class SetAliasWeights(Command):
    """One call that names the version and the weights, taken by AWS only if the alias is still as it was read."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: LambdaAliasShare
    target: Share

    def run(self, deadline: Deadline) -> None:
        # A step runs its command only while its intent is open: what is read may be what was true before an earlier write,
        # so it is written even where nothing seems left to change. The revision says whether that look was an old one.
        lost: list[OutcomeUnknown] = []
        while not self._written(deadline, lost):
            if deadline.expired:
                raise StepFailed(f"{self.step.resource}: somebody else writes to the alias again and again")

    def _written(self, deadline: Deadline, lost: list[OutcomeUnknown]) -> bool:
        """One look and at most one write; False when the alias was changed in between, or an answer was lost."""
        step = self.step
        try:
            alias = find_alias(step.aws, step.function, step.alias, deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing
        seen, known = step.state(alias), {step.before, step.after, *step.between}
        if seen not in known:
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
        version, weights = step.routing(self.target)
        there = (alias.version, {name: float(weight) for name, weight in alias.weights.items()}) == (version, weights)
        if there and lost:
            return True
        try:
            step.aws.call(
                LAMBDA,
                "UpdateAlias",
                deadline,
                FunctionName=step.function,
                Name=step.alias,
                FunctionVersion=version,
                RoutingConfig={ROUTING: weights},
                RevisionId=alias.revision,
            )
        except OutcomeUnknown as error:
            if deadline.expired:
                raise
            lost.append(error)
            return False  # looked at again: with the revision that was read a second write cannot undo anybody's work
        except AwsError as error:
            if error.code != CHANGED:
                raise
            return False
        reached(SENT)
        return True

    def shell(self) -> str:
        step = self.step
        version, weights = step.routing(self.target)
        routing = quote(json.dumps({ROUTING: weights}))
        return script(
            [
                f"revision=$({step._cli('get-alias')} --query RevisionId --output text)",
                (
                    f"{step._cli('update-alias')} --function-version {quote(version)} --routing-config {routing}"
                    " --revision-id \"$revision\" --query '[FunctionVersion,RoutingConfig]'"
                ),
            ]
        )


@dataclass(frozen=True, kw_only=True)
class VersionsFit(Check):
    """Lambda lets two versions share an alias only when both are published and have one role and one dead-letter queue.

    A version that is not active yet would refuse the first invocations. Provisioned concurrency of the alias cannot be
    changed while two versions share it, so that it has to be large enough before.
    """

    aws: Aws
    function: str
    alias: str
    blue: str
    green: str

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            find_alias(self.aws, self.function, self.alias, deadline)
            blue, green = (self._version(number, deadline) for number in (self.blue, self.green))
            concurrency = self._provisioned(deadline)
        except Missing as missing:
            return Finding.failed(str(missing), "check the names in the environment file and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        for word, what in (("Role", "execution role"), ("DeadLetterConfig", "dead-letter queue")):
            if blue.get(word) != green.get(word):
                seen = f"{self.function}: versions {self.blue} and {self.green} differ in their {what}"
                return Finding.failed(seen, "publish green's version with blue's")
        for number, version in ((self.blue, blue), (self.green, green)):
            if version.get("State", "Active") != "Active":
                return Finding.not_yet(f"{self.function}: version {number} is {version['State']}, not Active")
        seen = f"{self.function}: versions {self.blue} and {self.green} may share {self.alias}"
        if concurrency:
            warning = f"; its provisioned concurrency of {concurrency} cannot be changed while they do"
            return Finding.passed(seen + warning, warning=True)
        return Finding.passed(seen)

    def _version(self, number: str, deadline: Deadline) -> dict[str, Any]:
        try:
            return self.aws.call(
                LAMBDA, "GetFunctionConfiguration", deadline, FunctionName=self.function, Qualifier=number
            )
        except AwsError as error:
            if error.code == ABSENT:
                raise Missing(f"there is no version {number} of a function {self.function}") from None
            raise

    def _provisioned(self, deadline: Deadline) -> int:
        asked = {"FunctionName": self.function, "Qualifier": self.alias}
        try:
            shown = self.aws.call(LAMBDA, "GetProvisionedConcurrencyConfig", deadline, **asked)
        except AwsError as error:
            if error.code == NO_CONCURRENCY:
                return 0
            raise
        return int(shown["RequestedProvisionedConcurrentExecutions"])

    def shell(self) -> str:
        ask = f"{self.aws.shell()} lambda get-function-configuration --function-name {quote(self.function)}"
        words = "'[State,Role,DeadLetterConfig.TargetArn]' --output text"
        blue, green = (f"$({ask} --qualifier {quote(number)} --query {words})" for number in (self.blue, self.green))
        return script(
            [f'blue="{blue}" green="{green}"', 'printf "%s\\n" "$blue" "$green"', '[ "$blue" = "$green" ]'],
        )

    def permissions(self) -> Iterator[Permission]:
        for operation in ("GetAlias", "GetFunctionConfiguration", "GetProvisionedConcurrencyConfig"):
            yield Permission(LAMBDA, operation, _arn(self.function))


def _arn(function: str) -> str:
    return f"arn:aws:lambda:{{region}}:{{account}}:function:{function}"
