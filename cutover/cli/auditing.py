"""The command that proves the journal: audit."""

from collections.abc import Iterator
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say
from cutover.cli.looking import ENV

NOT_LOOKED = 2  # the exit code of an audit whose journal could not be read at all
UNPROVEN = (
    "A tail that was cut off, and a journal that was written anew, look whole by themselves{}: give --head HASH, which every "
    "report and `invoke status` names, and keep it elsewhere."
)


@task(
    positional=["what"],
    help={
        "what": "verify: prove the journal's hash chain, entry by entry",
        "env": ENV,
        "head": "a hash that somebody noted (12 characters of it or more): it has to be in the chain",
        "json": "one document on standard output",
    },
)
@ended
def audit(c: Context, what: str, env: str = "", head: str = "", json: bool = False) -> None:
    """Prove that no entry of the journal was changed, taken out or moved: 0 whole, 1 broken, 2 not looked at. Example: invoke audit verify --env prod"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.audit import LEAST
    from cutover.core.audit import audit as proven
    from cutover.core.errors import CutoverError, Refused
    from cutover.core.rows import Rows

    if what != "verify":
        raise Refused(f"audit knows verify, not {what!r}", next_command="invoke audit verify --env E")
    if head and (len(head) < LEAST or set(head.lower()) - set("0123456789abcdef")):
        raise Refused(f"--head wants {LEAST} or more characters of a hash (0-9, a-f)")
    state = opened(named(env), read_only=True).recorded()
    if state is None:
        if json:
            nothing = proven(Rows("", ()), head)
            print_json(audited(env, nothing, head))
        say(f"no journal of {env} is kept: nothing was recorded" + (", or all of it is gone" if head else ""))
        raise Exit(code=1 if head else 0)
    try:
        found = proven(state.rows(), head)
    except CutoverError as error:
        error.exit_code = NOT_LOOKED
        raise
    finally:
        state.close()
    document = audited(env, found, head)
    if json:
        print_json(document)
    else:
        for line in told(document):
            put(line)
    if found.broken is not None:
        raise Exit(code=1)


def audited(env: str, found: Any, noted: str) -> dict[str, Any]:
    """The audit as one document; times are seconds since the epoch."""
    runs: dict[str, dict[str, Any]] = {}
    for entry in found.entries:
        if entry.run:  # what was said about the lease alone belongs to none
            one = runs.setdefault(entry.run, {"run": entry.run, "entries": 0, "first": entry.at})
            one |= {"entries": one["entries"] + 1, "last": entry.at, "head": entry.hash}
    broken = found.broken
    return {
        "schema": "cutover.audit/1",
        "environment": env,
        "where": found.where,
        "whole": broken is None,
        "kept": len(found.rows),
        "proven": len(found.entries),
        "first": found.entries[0].at if found.entries else None,
        "last": found.entries[-1].at if found.entries else None,
        "head": found.head,
        "runs": list(runs.values()),
        "noted": {"head": noted, "entry": found.noted_at} if noted else None,
        "anchored": found.anchored,
        "note": found.note,
        "broken": None
        if broken is None
        else {
            "kind": broken.kind,
            "number": broken.number,
            "place": broken.row.place if broken.row is not None else None,
            "seen": broken.seen,
            "entry": {name: broken.field(name) for name in ("seq", "run", "at", "kind")},
        },
    }


def told(document: dict[str, Any]) -> Iterator[str]:
    """The document for a person."""
    from cutover.cli.looking import when

    broken, count, runs = document["broken"], document["proven"], len(document["runs"])
    span = f", {when(document['first'])} to {when(document['last'])}" if count else ""
    yield f"{document['where']}: {count} of {document['kept']} entries hold, {runs} run{'s' * (runs != 1)}{span}"
    yield f"head {document['head']}"
    if document["noted"] and document["noted"]["entry"]:
        after = count - document["noted"]["entry"]
        yield f"the noted hash is that of entry {document['noted']['entry']}; {after} were added after it"
    if document["note"]:
        yield f"LOOK: {document['note']}"
    if broken is None:
        yield "whole: no entry was changed, taken out or moved"
        if not document["noted"]:
            yield UNPROVEN.format(" but for what is noted beside the lease" if document["anchored"] else "")
        return
    yield f"BROKEN at entry {broken['number']}: {broken['kind']}: {broken['seen']}"
    if broken["place"] is not None:
        entry = broken["entry"]
        # Nobody has proven these: what a terminal would act on is shown as it is written.
        yield f"  what stands there: {broken['place']!r}, run {entry['run']!r}, {_when(entry['at'])}, {entry['kind']!r}"
    follows = "; of what follows nothing is proven" if broken["place"] is not None else ""
    yield f"  the entries before it hold{follows}. Keep a copy of {document['where']} before anything else"


def _when(at: Any) -> str:
    from cutover.cli.looking import when

    try:
        return when(at)
    except (TypeError, ValueError, OverflowError):
        return repr(at)
