"""Flags as flagd reads them (flagd.dev, "Flag definitions"): for teams whose other services ask flagd.

The shares are the same and the keys are not: flagd's `fractional` hashes with MurmurHash3 (32 bits), this library with BLAKE2b. A
key that is on the candidate here may be on legacy there at one and the same share, so do not let one user cross from a service
that asks flagd to one that routes by itself and expect one answer. A rising share moves no key back there either.
"""

import json
from collections.abc import Mapping
from typing import Any

from cutover.routing.flag import BUCKETS, Flag, FlagWrong
from cutover.routing.flag import SCHEMA as FLAG_SCHEMA

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
BUCKETING = (
    "fractional hashes with MurmurHash3, cutover.routing with BLAKE2b: the shares are equal, "
    "the keys on the candidate are others"
)


def flagd_definitions(flags: Mapping[str, Flag | FlagWrong]) -> dict[str, Any]:
    """The flag definitions of flagd for what `Store.all` gives: booleans, true where the candidate answers.

    - The state is always ENABLED. A flag that is off, or at 0 %, has no targeting and `legacy` as its default variant: DISABLED
      would make flagd give each caller's own default, which may be the candidate.
    - Without a targeting key flagd falls to the default variant, `legacy`: as a router does.
    - Whole percents are weights out of 100, which every flagd understands; other shares are weights out of 10,000, for which
      flagd has to take weights as relative ones (where it wants a sum of 100, it refuses the file).
    - A flag with a salt of its own is hashed by salt and targeting key, any other as flagd does by itself.
    - What cannot be read is left out and named in the metadata under `notExported`, so that it keeps no other from moving; flagd
      then knows no such flag. Overrides by the environment hold in one process, and are not in here.
    """
    left_out = [f"{name}: {found}" for name, found in sorted(flags.items()) if isinstance(found, FlagWrong)]
    about = {"exportedBy": "cutover", "source": FLAG_SCHEMA, "bucketing": BUCKETING}
    return {
        "$schema": SCHEMA,
        "metadata": about | ({"notExported": "; ".join(left_out)} if left_out else {}),
        "flags": {name: _definition(flag) for name, flag in sorted(flags.items()) if isinstance(flag, Flag)},
    }


def flagd_text(flags: Mapping[str, Flag | FlagWrong]) -> str:
    """The same as a file: the same bytes for the same flags."""
    return json.dumps(flagd_definitions(flags), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _definition(flag: Flag) -> dict[str, Any]:
    metadata: dict[str, Any] = {"enabled": flag.enabled, "share": float(flag.share), "version": flag.version}
    for name in ("description", "reason", "author"):
        if text := getattr(flag, name):
            metadata[name] = text
    if flag.changed_at is not None:
        metadata["changedAt"] = flag.document()["changed_at"]
    definition: dict[str, Any] = {
        "state": "ENABLED",
        "variants": {"legacy": False, "candidate": True},
        "defaultVariant": "candidate" if flag.buckets == BUCKETS else "legacy",
    }
    if 0 < flag.buckets < BUCKETS:
        definition["targeting"] = _targeting(flag)
    return {**definition, "metadata": metadata}


def _targeting(flag: Flag) -> dict[str, Any]:
    unit = BUCKETS // 100 if flag.buckets % (BUCKETS // 100) == 0 else 1
    weights = [["candidate", flag.buckets // unit], ["legacy", (BUCKETS - flag.buckets) // unit]]
    if flag.salted == flag.name:
        return {"fractional": weights}
    key = {"var": "targetingKey"}
    return {"if": [key, {"fractional": [{"cat": [flag.salt, key]}, *weights]}, None]}
