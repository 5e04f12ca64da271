"""What IAM must allow for reading the records of one name, and for changing them and nothing else in their zone."""

from cutover.aws.permission import Permission
from cutover.aws.record_group import RecordName
from cutover.aws.route53_zone import ROUTE53, canonical


def records_read(where: RecordName) -> tuple[Permission, ...]:
    """Finding the zone by its name, and listing its records."""
    return (
        *where.hosted.permissions(),
        Permission(ROUTE53, "ListResourceRecordSets", where.hosted.arn),
    )


def records_written(where: RecordName) -> tuple[Permission, ...]:
    """The same, and one batch over the group and its mark; the condition keys bind it to these names and types (Route 53
    guide, "Using IAM policy conditions for fine-grained access control")."""
    names = canonical(where.name), canonical(where.mark.name)
    conditions = (
        ("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsActions", ("CREATE", "DELETE")),
        ("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsNormalizedRecordNames", names),
        ("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", (*where.types(), "TXT")),
    )
    return (
        *records_read(where),
        Permission(ROUTE53, "ChangeResourceRecordSets", where.hosted.arn, conditions),
        Permission(ROUTE53, "GetChange", "arn:aws:route53:::change/*"),
    )
