"""Blue's configuration of a distribution, kept in an SSM parameter: the way back from a promotion, from any machine."""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.aws.cloudfront_permission import KEEPING, on_distribution, on_parameter
from cutover.aws.deployment import Config, find_distribution, serves
from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

SSM = "ssm"
LONGEST = 8192  # SSM API, PutParameter: an advanced parameter
KEPT, NOT_KEPT = "kept", "not kept"


@dataclass(frozen=True)
class Kept:
    """Where the configuration of one distribution is kept."""

    aws: Aws
    parameter: str
    distribution: str

    def read(self, deadline: Deadline) -> Config | None:
        """The kept configuration, None when nothing is kept; raises Missing when the parameter holds something else."""
        try:
            value = self.aws.call(SSM, "GetParameter", deadline, Name=self.parameter)["Parameter"]["Value"]
        except AwsError as error:
            if error.code == "ParameterNotFound":
                return None
            raise
        try:
            document = json.loads(gzip.decompress(b64decode(value, validate=True)))
            if document["distribution"] == self.distribution:
                config: Config = document["config"]
                return config
            raise Missing(f"parameter {self.parameter} keeps distribution {document['distribution']}")
        except (ValueError, OSError, EOFError, KeyError, TypeError) as error:
            raise Missing(f"parameter {self.parameter} keeps no distribution's configuration") from error

    def save(self, config: Config, deadline: Deadline) -> None:
        """Keeps the configuration and reads it back; raises StepFailed when it is too long or does not read back."""
        wanted = json.loads(json.dumps(config))
        value = encoded(self.distribution, config)
        if len(value) > LONGEST:
            raise StepFailed(
                f"the configuration of {self.distribution} has {len(value)} characters packed, an SSM parameter {LONGEST}: "
                "the way back from a promotion could not be kept"
            )
        while self.read(deadline) != wanted:
            try:
                self.aws.call(
                    SSM,
                    "PutParameter",
                    deadline,
                    Name=self.parameter,
                    Value=value,
                    Type="String",
                    Overwrite=True,
                    Tier="Intelligent-Tiering",
                    Description=f"blue's configuration of {self.distribution}, kept by cutover: gzip, base64",
                )
            except OutcomeUnknown:
                if deadline.expired:
                    raise
            else:
                if self.read(deadline) != wanted:
                    raise StepFailed(f"parameter {self.parameter} does not read back as it was written")

    def read_shell(self) -> str:
        """The command that prints what is kept, as JSON."""
        return (
            f"{self.aws.shell()} ssm get-parameter --name {quote(self.parameter)} --query Parameter.Value --output text"
            " | base64 -d | gunzip"
        )

    def look_shell(self, there: str, absent: str) -> str:
        """Lines that do `there` when something is kept, else `absent`; what cannot be asked is an error."""
        return (
            f"if seen=$({self.aws.shell()} ssm get-parameter --name {quote(self.parameter)} --query Parameter.Name"
            f" --output text 2>&1); then {there}\nelif [[ $seen == *ParameterNotFound* ]]; then {absent}\n"
            'else echo "$seen" >&2; exit 1; fi'
        )

    def save_shell(self) -> list[str]:
        """Lines that keep the distribution's present configuration."""
        program = 'import json, sys; print(json.dumps({"distribution": sys.argv[1], "config": json.load(sys.stdin)}))'
        return [
            (
                f"value=$({self.aws.shell()} cloudfront get-distribution-config --id {quote(self.distribution)}"
                f" --query DistributionConfig --output json | python3 -c '{program}' {quote(self.distribution)}"
                " | gzip -9n | base64 -w0)"
            ),
            (
                f"{self.aws.shell()} ssm put-parameter --name {quote(self.parameter)} --type String --overwrite"
                ' --tier Intelligent-Tiering --value "$value"'
            ),
        ]


def encoded(distribution: str, config: Config) -> str:
    """A configuration as the parameter holds it: the same text for the same configuration."""
    text = json.dumps({"distribution": distribution, "config": config}, sort_keys=True, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@dataclass(frozen=True, kw_only=True)
class BlueKept(Step[str]):
    """Keeps the configuration with which the distribution serves blue, where every operator's machine can read it.

    The promotion of a staging distribution overwrites it, and CloudFront keeps no copy: what is kept here is the only way back.
    """

    aws: Aws
    distribution: str
    staging: str
    parameter: str
    before: str = NOT_KEPT
    after: str = KEPT
    settle: float = 60.0

    @property
    def resource(self) -> str:
        return f"cloudfront-kept:{self.parameter}"

    @property
    def kept(self) -> Kept:
        return Kept(self.aws, self.parameter, self.distribution)

    def observe(self) -> str:
        return self.state(Deadline.after(OBSERVE_SECONDS))

    def state(self, deadline: Deadline) -> str:
        try:
            kept = self.kept.read(deadline)
            if kept is None:
                return NOT_KEPT
            if serves(kept) == find_distribution(self.aws, self.distribution, deadline).serves or self.promoted(
                deadline
            ):
                return KEPT
        except Missing as missing:
            return str(missing)
        return f"parameter {self.parameter} keeps another configuration than the one that serves"

    def promoted(self, deadline: Deadline) -> bool:
        """Whether the primary distribution serves green by now: the same as staging, and not what is kept."""
        primary, staging = (find_distribution(self.aws, one, deadline) for one in (self.distribution, self.staging))
        kept = self.kept.read(deadline)
        return primary.serves == staging.serves and (kept is None or serves(kept) != primary.serves)

    def commands(self, target: str) -> Sequence[Command]:
        return (KeepBlue(self) if target == KEPT else LetGo(self),)

    def permissions(self) -> Sequence[Permission]:
        return (
            *on_parameter(self.parameter, KEEPING),
            *on_distribution(self.distribution, "GetDistribution"),
            *on_distribution(self.staging, "GetDistribution"),
        )

    def check_shell(self) -> str:
        return script([self.kept.look_shell(f"echo {KEPT}", f"echo {NOT_KEPT}")])


@dataclass(frozen=True)
class KeepBlue(Command):
    """Saves what the primary distribution serves with now, which is blue's."""

    step: BlueKept

    def run(self, deadline: Deadline) -> None:
        step = self.step
        seen = step.state(deadline)
        if seen == KEPT:
            return
        if seen != NOT_KEPT:
            raise StepFailed(f"{step.resource}: {seen}; nothing was written")
        try:
            if step.promoted(deadline):
                raise StepFailed(
                    f"{step.distribution} and its staging distribution serve the same: there is no blue to keep"
                )
            step.kept.save(find_distribution(step.aws, step.distribution, deadline).config, deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        return script(self.step.kept.save_shell())


@dataclass(frozen=True)
class LetGo(Command):
    """Deletes what is kept, once blue serves again."""

    step: BlueKept

    def run(self, deadline: Deadline) -> None:
        step = self.step
        while True:
            seen = step.state(deadline)
            if seen == NOT_KEPT:
                return
            if seen != KEPT:
                raise StepFailed(f"{step.resource}: {seen}; nothing was deleted")
            if step.promoted(deadline):
                raise StepFailed(
                    f"refused: {step.distribution} serves green, and {step.parameter} is the only way back"
                )
            try:
                step.aws.call(SSM, "DeleteParameter", deadline, Name=step.parameter)
            except OutcomeUnknown:
                if deadline.expired:
                    raise
            except AwsError as error:
                if error.code != "ParameterNotFound":
                    raise

    def shell(self) -> str:
        step = self.step
        gone = f"{step.aws.shell()} ssm delete-parameter --name {quote(step.parameter)}"
        return script([step.kept.look_shell(gone, f"echo {NOT_KEPT}")])
