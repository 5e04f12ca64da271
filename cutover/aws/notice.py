"""A topic of SNS, to which people are told what happens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

SNS = "sns"
LONGEST_SUBJECT = (
    99  # SNS API, Publish: a subject is ASCII, fewer than 100 characters, and begins with one that can be seen
)
LONGEST_MESSAGE = 250_000  # bytes; SNS API, Publish: 262,144 with the attributes


@dataclass(frozen=True)
class Topic:
    """One topic by its ARN; whoever subscribed to it is told."""

    aws: Aws
    arn: str

    def publish(self, subject: str, text: str, attributes: Mapping[str, str], deadline: Deadline) -> str:
        """The id that SNS gave the message (SNS API, Publish); raises AwsError, OutcomeUnknown when the answer was lost."""
        answer = self.aws.call(
            SNS,
            "Publish",
            deadline,
            TopicArn=self.arn,
            Subject=_subject(subject),
            Message=text.encode(errors="replace")[:LONGEST_MESSAGE].decode(errors="ignore"),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
            **self._ordered(attributes.get("key", "")),
        )
        return str(answer["MessageId"])

    def _ordered(self, key: str) -> dict[str, str]:
        # A FIFO topic takes nothing without these two; a key sent again within five minutes is one message there.
        if not self.arn.endswith(".fifo"):
            return {}
        word = "".join(c if c.isalnum() or c in "-_./" else "-" for c in key)[:128] or "cutover"
        return {"MessageGroupId": "cutover", "MessageDeduplicationId": word}

    def permissions(self) -> Iterator[Permission]:
        yield Permission(SNS, "Publish", self.arn)


def _subject(text: str) -> str:
    told = " ".join("".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text).split())
    return told[:LONGEST_SUBJECT].lstrip("-. ") or "cutover"
