"""What the objects about CloudFront distributions ask of AWS (Service Authorization Reference, Amazon CloudFront)."""

from cutover.aws.permission import Permission

KEEPING = ("DeleteParameter", "GetParameter", "PutParameter")


def on_distribution(distribution: str, *operations: str) -> tuple[Permission, ...]:
    """CloudFront is global: its ARNs name no region."""
    arn = f"arn:aws:cloudfront::{{account}}:distribution/{distribution}"
    return tuple(Permission("cloudfront", operation, arn) for operation in operations)


def on_policies(*operations: str) -> tuple[Permission, ...]:
    """The id of a policy is given by AWS, and read from the distribution."""
    arn = "arn:aws:cloudfront::{account}:continuous-deployment-policy/*"
    return tuple(Permission("cloudfront", operation, arn) for operation in operations)


def on_parameter(parameter: str, operations: tuple[str, ...]) -> tuple[Permission, ...]:
    """A parameter's name begins with the slash that its ARN has, too."""
    arn = f"arn:aws:ssm:{{region}}:{{account}}:parameter{parameter}"
    return tuple(Permission("ssm", operation, arn) for operation in operations)
