"""The links from the program to blue, green and AWS: swallowed, reset, slow, half-open, cut around a COMMIT."""

from cutover.faults.fault import IN_SHIFT, IN_WINDOW, PAST_DEADLINES, SHORT, Act, Fault
from cutover.faults.link import Mode

SERVERS = {"blue": "blue's PostgreSQL", "green": "green's PostgreSQL", "aws": "AWS"}
MODES = {
    Mode.BLACK_HOLE: (PAST_DEADLINES, "packets to {} are swallowed: no answer and no error"),
    Mode.RESET: (SHORT, "every connection to {} is reset"),
    Mode.SLOW: (PAST_DEADLINES, "each packet to and from {} takes 300 ms more"),
    Mode.HALF_OPEN: (PAST_DEADLINES, "what is asked of {} arrives, and no answer comes back"),
}


def _made(link: str, mode: Mode) -> Act:
    return lambda scene: scene.ground.links[link].set(mode)


FAULTS = tuple(
    Fault(
        f"link-{link}-{mode}",
        why.format(server),
        _made(link, mode),
        _made(link, Mode.PASS),
        lasts,
        first=IN_SHIFT if link == "aws" else IN_WINDOW,
    )
    for link, server in SERVERS.items()
    for mode, (lasts, why) in MODES.items()
) + tuple(
    Fault(
        f"link-{link}-cut-at-commit",
        f"a COMMIT reaches {SERVERS[link]}, and the connection is reset before its answer",
        _made(link, Mode.CUT),
        _made(link, Mode.PASS),
        PAST_DEADLINES,
    )
    for link in ("blue", "green")
)
