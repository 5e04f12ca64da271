"""What is told because time has passed: an incident that nobody has taken on, and updates after the switch."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.notify.message import TRIGGER, Message, Severity
from cutover.notify.texts import Texts

HOUR = 3600.0


@dataclass(frozen=True)
class Level:
    """Who is told when an incident was open for `after` seconds and nobody had taken it on."""

    after: float
    to: tuple[str, ...]


@dataclass(frozen=True)
class Rhythm:
    """One update every `every` seconds, until `until` seconds after the switch."""

    until: float
    every: float


def escalations(incident: Message, levels: Sequence[Level], now: float, texts: Texts) -> list[Message]:
    """The messages of every level that is due; the level that the routes tell at once is the first."""
    late = now - incident.at
    return [
        Message(
            key=f"{incident.key}/level-{number}",
            environment=incident.environment,
            run=incident.run,
            event="escalation",
            severity=Severity.CRITICAL,
            title=texts.fill(
                "escalation",
                {
                    "environment": incident.environment,
                    "run": incident.run,
                    "minutes": f"{level.after / 60:g}",
                    "level": number,
                    "title": incident.title,
                },
            ),
            at=incident.at + level.after,
            body=incident.body,
            next_command=f"invoke acknowledge --env {incident.environment}",
            incident=incident.key,
            action=TRIGGER,
            to=level.to,
        )
        for number, level in enumerate(levels, 2)
        if late >= level.after
    ]


def moments(rhythms: Sequence[Rhythm]) -> list[float]:
    """Seconds after the switch at which an update is due: hourly until 8 h and then every 4 h gives 1 h … 8 h, 12 h …"""
    found: list[float] = []
    last = 0.0
    for rhythm in rhythms:
        while last + rhythm.every <= rhythm.until + 0.001:
            last += rhythm.every
            found.append(last)
        last = rhythm.until
    return found


def update_due(switched_at: float, rhythms: Sequence[Rhythm], now: float) -> float | None:
    """The newest moment (seconds after the switch) that has come; older ones that were missed are not made up for."""
    return max((moment for moment in moments(rhythms) if switched_at + moment <= now), default=None)


def update(
    environment: str, run: str, switched_at: float, moment: float, standing: Sequence[str], texts: Texts
) -> Message:
    """The update of that moment; `standing` says how the run stands, the most important line first."""
    values = {
        "environment": environment,
        "run": run,
        "hours": f"{moment / HOUR:g}",
        "standing": standing[0] if standing else "no more is known",
    }
    return Message(
        key=f"{environment}/{run}/update-{moment:g}",
        environment=environment,
        run=run,
        event="update",
        severity=Severity.INFO,
        title=texts.fill("update", values),
        at=switched_at + moment,
        body=tuple(standing[1:]),
        next_command=f"invoke status --env {environment}",
    )
