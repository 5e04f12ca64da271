"""Whether a distribution can carry the share by continuous deployment, asked before anything is touched."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.aws.cloudfront import ContinuousDeploymentShare
from cutover.aws.deployment import Config, Deployment
from cutover.aws.kept_distribution import LONGEST, encoded
from cutover.aws.listener import Missing
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding

HTTP3 = ("http3", "http2and3")  # CloudFront developer guide, continuous deployment: not supported


@dataclass(frozen=True, kw_only=True)
class ContinuousDeploymentReady(Check):
    """A primary and a staging distribution, both enabled and deployed, with a policy by weight between them, and blue serving.

    Staging has to serve otherwise than the primary: where both serve the same, there is nothing to promote.
    """

    share: ContinuousDeploymentShare
    """The first move of the share."""

    def look(self) -> Finding:
        share, deadline = self.share, Deadline.after(OBSERVE_SECONDS)
        try:
            seen, kept = share.deployment(deadline), share.kept.read(deadline)
        except Missing as missing:
            return Finding.failed(
                str(missing), "check the ids in the environment file, and the policy of the distribution"
            )
        except AwsError as error:
            return Finding.blind(error.message)
        busy = [one.id for one in (seen.primary, seen.staging) if one.status != "Deployed"]
        if busy:
            return Finding.not_yet(f"not deployed yet: {', '.join(busy)}", "wait until it is")
        odd = self._odd(seen, kept)
        if odd:
            return Finding.failed(*odd)
        return Finding.passed(
            f"{share.distribution} serves blue, {share.staging} is ready, the share is {share.before}"
        )

    def _odd(self, seen: Deployment, kept: Config | None) -> tuple[str, str] | None:
        share = self.share
        for one in (seen.primary, seen.staging):
            if not one.config.get("Enabled"):
                return f"{one.id} is disabled", "enable it"
            if bool(one.config.get("Staging")) is (one is seen.primary):
                return (
                    f"{one.id} is {'a' if one is seen.primary else 'no'} staging distribution",
                    "correct the environment file",
                )
            if one.config.get("HttpVersion") in HTTP3:
                return f"{one.id} speaks {one.config['HttpVersion']}", "continuous deployment does not go with HTTP/3"
        if seen.primary.serves == seen.staging.serves:
            return f"{share.staging} serves the same as {share.distribution}", "give staging green's configuration"
        state = share.state(seen, kept)
        if state != share.before:
            return f"the share is {state}, {share.before} is where the plan begins", "bring it back to blue first"
        length = len(encoded(share.distribution, seen.primary.config))
        if length > LONGEST:
            reason = f"blue's configuration has {length} characters packed, and {LONGEST} can be kept for the way back"
            return reason, "let another provider carry the share"
        return None

    def permissions(self) -> Sequence[Permission]:
        return [one for one in self.share.permissions() if one.reads]

    def shell(self) -> str:
        return self.share.check_shell()
