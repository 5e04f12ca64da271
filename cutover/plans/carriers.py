"""Every hostname of an environment with what carries its share; a new provider is one case here, imported when it is named."""

from typing import assert_never

from cutover.environment import (
    AlbCarrier,
    CloudFormationCarrier,
    CloudFrontCarrier,
    FileCarrier,
    FlagCarrier,
    Hostname,
    LambdaCarrier,
    Route53Carrier,
    SsmCarrier,
)
from cutover.plans.carried import Carried
from cutover.plans.means import Means


def carried(means: Means) -> list[Carried]:
    """The hostnames in the order of the environment file, which is the order in which their shares move."""
    return [_carried(means, name, hostname) for name, hostname in means.environment.hostnames.items()]


def _carried(means: Means, name: str, hostname: Hostname) -> Carried:
    host = hostname.host
    match hostname.carrier:
        case AlbCarrier() as words:
            from cutover.plans.carried_alb import CarriedByAlb

            return CarriedByAlb(means, name, host, words)
        case Route53Carrier() as words:
            from cutover.plans.carried_route53 import CarriedByRoute53

            return CarriedByRoute53(means, name, host, words)
        case CloudFormationCarrier() as words:
            from cutover.plans.carried_cloudformation import CarriedByCloudFormation

            return CarriedByCloudFormation(means, name, host, words)
        case CloudFrontCarrier() as words:
            from cutover.plans.carried_cloudfront import CarriedByCloudFront

            return CarriedByCloudFront(means, name, host, words)
        case LambdaCarrier() as words:
            from cutover.plans.carried_lambda import CarriedByLambda

            return CarriedByLambda(means, name, host, words)
        case SsmCarrier() | FileCarrier() | FlagCarrier() as words:
            from cutover.plans.carried_flag import CarriedByFlag

            return CarriedByFlag(means, name, host, words)
        case unknown:
            assert_never(unknown)
