"""The kinds of words, numbers and lists that the models are made of, each with what it may look like."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.reading import duration, flag, number, percentage, prose, whole, word
from cutover.environment.shapes import distinct, one_to_four, pytest_expression
from cutover.environment.source import NAME

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"

Name = Annotated[str, word(NAME, "lower-case letters, digits and dashes, starting with a letter (at most 40)")]
Role = Literal["decision", "database", "traffic", "application"]
Line = Annotated[str, prose(300)]
DatabaseName = Annotated[str, word(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", "a database name of letters, digits, _ and -")]
DnsName = Annotated[
    str,
    word(
        rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})+",
        "a DNS name such as shop.example.com",
        lambda n: n.removesuffix(".").lower(),
    ),
]
AwsName = Annotated[str, word(r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?", "a name of letters, digits, - (max. 32)")]
HostPattern = Annotated[
    str, word(r"(?=.{1,128}$)[A-Za-z0-9*?._-]+", "a host-header value of the rule, such as shop.example.com", str.lower)
]
PathPattern = Annotated[
    str, word(r"/[A-Za-z0-9_.$/~\"'@:+&()!,;=%*?-]{0,126}", "a path-pattern value of the rule, such as /api/*")
]
SetIdentifier = Annotated[str, word(r"[A-Za-z0-9._-]{1,128}", "a set identifier of letters, digits and . _ -")]
StackName = Annotated[str, word(r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack name of letters, digits and dashes")]
LogicalId = Annotated[str, word(r"[A-Za-z0-9]{1,255}", "a logical id of letters and digits")]
LogicalIds = Annotated[tuple[LogicalId, ...], AfterValidator(distinct)]
DistributionId = Annotated[str, word(r"E[A-Z0-9]{5,31}", "the id of a distribution such as E2QWRUHAPOMQZL")]
SsmName = Annotated[
    str,
    word(
        r"(?!/(?i:aws|ssm))(?=.{2,900}$)(/[A-Za-z0-9_.-]+){1,15}",
        "the path of an SSM parameter such as /cutover/prod/shop (not below /aws or /ssm)",
    ),
]
FunctionName = Annotated[str, word(r"[A-Za-z0-9_-]{1,64}", "a Lambda function's name of letters, digits, - and _")]
AliasName = Annotated[str, word(r"(?![0-9]+$)[A-Za-z0-9_-]{1,128}", "an alias's name of letters, digits, - and _")]
VersionNumber = Annotated[str, word(r"[1-9][0-9]{0,8}", "the number of a published version ($LATEST has no weight)")]
ParameterName = Annotated[
    str,
    word(r"(?=.{1,1011}$)/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", "the name of an SSM parameter, such as /shop/share"),
]
FlagKey = Annotated[str, word(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", "a key of letters, digits and _ . -")]
Region = Annotated[str, word(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}", "a region such as us-east-1")]
Profile = Annotated[str, word(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}", "the name of an AWS profile")]
SERVICES = (
    "application-autoscaling",
    "autoscaling",
    "cloudformation",
    "cloudfront",
    "cloudwatch",
    "ecs",
    "elbv2",
    "events",
    "iam",
    "lambda",
    "logs",
    "rds",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "ssm",
    "sts",
)
Api = Annotated[
    str,
    word(rf"({'|'.join(SERVICES)})(:[A-Z][A-Za-z0-9]{{1,63}})?", "an API such as route53 or elbv2:ModifyListener"),
]
Account = Annotated[str, word(r"[0-9]{12}", "the 12 digits of an AWS account")]
Method = Annotated[str, word(r"[A-Z][A-Z_-]{0,39}", "an HTTP method in capitals")]
SmokePath = Annotated[str, word(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}", "a relative path without ..")]
SmokeTests = Annotated[
    str,
    word(r"[A-Za-z0-9_(][A-Za-z0-9_ ().\[\]-]{0,299}", "an expression as for pytest -k"),
    AfterValidator(pytest_expression),
]
ConfigPath = Annotated[str, word(r"/(?!.*\.\.)[A-Za-z0-9_./-]{1,299}", "an absolute path without ..")]
Flag = Annotated[bool, flag]
Duration = Annotated[float, duration()]
Wait = Annotated[float, duration(above_zero=True)]
Share = Annotated[float, number(100, above_zero=True, step=0.01)]
Percentage = Annotated[float, percentage]
Seconds = Annotated[int, whole(1, 604_800)]
Methods = Annotated[
    tuple[Method, ...],
    AfterValidator(distinct),
    AfterValidator(one_to_four),
    Field(json_schema_extra={"minItems": 1, "maxItems": 4}),
]
Balancers = Annotated[tuple[AwsName, ...], AfterValidator(distinct)]
Hosts = Annotated[tuple[DnsName, ...], AfterValidator(distinct)]
