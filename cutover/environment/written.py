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
SetIdentifier = Annotated[str, word(r"[A-Za-z0-9._-]{1,128}", "a set identifier of letters, digits and . _ -")]
Region = Annotated[str, word(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}", "a region such as us-east-1")]
Profile = Annotated[str, word(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}", "the name of an AWS profile")]
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
