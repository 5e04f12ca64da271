"""What each major of PostgreSQL brought, and that nothing newer than the oldest one accepted is used where it may not be there.

Servers of 15, 16 and 18 are in these tests; that 14 and 17 know these statements is read in the manuals of those majors alone.
"""

import re
from pathlib import Path

import pytest

from cutover.postgres.preflight.question import REFUSES, WARNS
from cutover.postgres.preflight.servers import OLDEST, TESTED, Version
from cutover.postgres.session import Database

PACKAGE = Path(__file__).parents[2] / "cutover"

SINCE = {
    r"\bCREATE OR REPLACE TRIGGER\b": 14,
    r"\bhash_record_extended\b": 14,
    r"\bbit_xor\b": 14,
    r"\bpg_terminate_backend\([^()]*, \w": 14,
    r"\bpg_stat_wal\b": 14,
    r"\bxid8\b": 13,
    r"\bwal_status\b": 13,
    r"\bpg_stat_progress_analyze\b": 13,
    r"\bpg_stat_subscription_stats\b": 15,
    r"\bhas_parameter_privilege\b": 15,
    r"\bdatcollversion\b": 15,
    r"\bpg_database_collation_actual_version\b": 15,
    r"\bpr(qual|attrs)\b": 15,
    r"\bdatlocprovider\b": 15,
    r"\bdaticulocale\b": 15,
    r"\bcolliculocale\b": 15,
    r"\bcollicurules\b": 16,
    r"\borigin = none\b": 16,
    r"'origin', 'none'": 16,
    r"\bpg_log_standby_snapshot\b": 16,
    r"\bdatlocale\b": 17,
    r"\bcolllocale\b": 17,
    r"\bpg_createsubscriber\b": 17,
    r"\bMERGE INTO\b": 15,
    r"\bNULLS NOT DISTINCT\b": 15,
    r"\bany_value\b": 16,
    r"\bpg_stat_checkpointer\b": 17,
    r"\bon_error\b": 17,
}

# How each newer word is kept from a server that does not know it.
GUARDED = {
    "pg_stat_subscription_stats": "conflict.py: asked only where the view is",
    "has_parameter_privilege": "roles.py: in the wording for 15 and newer",
    "datcollversion": "tables.py: in the wording for 15 and newer",
    "pg_database_collation_actual_version": "tables.py: in the wording for 15 and newer",
    "prqual": "replication.py, activity.py: by way of to_jsonb",
    "prattrs": "replication.py, activity.py: by way of to_jsonb",
    "datlocprovider": "databases.py: by way of to_jsonb",
    "daticulocale": "databases.py: by way of to_jsonb",
    "datlocale": "databases.py: by way of to_jsonb",
    "colliculocale": "details.py: by way of to_jsonb",
    "collicurules": "details.py: by way of to_jsonb",
    "colllocale": "details.py: by way of to_jsonb",
    "origin = none": "replication.py, copied_subscription.py, copy_script.py: filters_origins asks both sides; elsewhere it is told about",
    "'origin', 'none'": "conflict.py: filters_origins asks both sides",
    "pg_log_standby_snapshot": "change_feed.py: asks the version",
}
TOLD = {"direction.py", "way_back.py"}  # they speak of it, and send it to nobody


def test_what_is_newer_than_the_oldest_major_is_guarded() -> None:
    found: dict[str, set[str]] = {}
    for path in (PACKAGE / "postgres").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for pattern, major in SINCE.items():
            if major * 10000 > OLDEST and path.name not in TOLD:
                for match in re.finditer(pattern, text):
                    found.setdefault(match.group(), set()).add(path.name)
    assert found.keys() == GUARDED.keys()
    for word, files in found.items():
        for file in files:
            assert file in GUARDED[word] or (word == "origin = none" and file == "activity.py"), (word, file)


def test_words_read_by_way_of_jsonb_are_never_columns() -> None:
    """`d ->> 'datlocale'` is NULL on a server that has no such column, and `d.datlocale` is an error there."""
    for word in [word for word, how in GUARDED.items() if "to_jsonb" in how]:
        for path in (PACKAGE / "postgres").rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                assert word not in line or line.lstrip().startswith("#") or f"->> '{word}'" in line, (path.name, line)


@pytest.mark.parametrize(
    ("number", "told"),
    [(120022, REFUSES), (130018, REFUSES), (140013, WARNS), (150008, None), (160004, None), (170002, WARNS), (180001, None),
     (190000, WARNS)],
)  # fmt: skip
def test_majors_that_are_refused_untested_and_tested(number: int, told: object) -> None:
    version = Version(Database("blue", "X", lambda: ""))
    remarks = list(version.remarks(number, f"PostgreSQL {number // 10000}", standby=False, service=None))
    assert [remark.severity for remark in remarks] == ([told] if told else [])
    assert all(remark.mend for remark in remarks)
    assert (number // 10000 in TESTED) is (told is None)
    if told is WARNS:
        assert remarks[0].seen == f"PostgreSQL {number // 10000} is untested"
