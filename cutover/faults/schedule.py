"""Schedules of faults: their text, how they are drawn from a seed, and the shortest one that still fails."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.errors import ConfigurationRefused
from cutover.faults.catalogue import FAULTS, fault_named
from cutover.faults.fault import Fault
from cutover.faults.places import BACK, FORWARD, PLACES, RESUME, Place, place_named

MOST = 3  # faults in one schedule


@dataclass(frozen=True)
class Strike:
    """One fault at one place."""

    fault: Fault
    place: Place

    def __str__(self) -> str:
        return f"{self.fault.name}@{self.place.name}"

    @property
    def possible(self) -> bool:
        """A fault of the program itself needs one that runs."""
        return bool(self.place.at) or not self.fault.of_program


@dataclass(frozen=True)
class Schedule:
    """Strikes in the order of their places; written as `fault@place,fault@place`."""

    strikes: tuple[Strike, ...]

    @classmethod
    def of(cls, strikes: Sequence[Strike]) -> "Schedule":
        ordered = {str(strike): strike for strike in sorted(strikes, key=lambda one: PLACES.index(one.place))}
        return cls(tuple(ordered.values()))

    @classmethod
    def read(cls, text: str) -> "Schedule":
        """The schedule that is written so; raises ConfigurationRefused."""
        found = []
        for part in text.split(","):
            fault, sign, place = part.strip().partition("@")
            if not sign:
                raise ConfigurationRefused([f"a schedule is fault@place,fault@place, and {part!r} names no place"])
            found.append(Strike(fault_named(fault), place_named(place)))
            if not found[-1].possible:
                raise ConfigurationRefused([f"{fault} is done to the program, and at {place} it does not run yet"])
        return cls.of(found)

    def __str__(self) -> str:
        return ",".join(map(str, self.strikes))

    def of_leg(self, leg: str) -> tuple[Strike, ...]:
        return tuple(strike for strike in self.strikes if strike.place.leg == leg)

    @property
    def legs(self) -> tuple[str, ...]:
        """Which ways are walked, in order; a run that is resumed is one that went forward before."""
        return tuple(leg for leg in (FORWARD, RESUME, BACK) if self.of_leg(leg))

    def without(self, strike: Strike) -> "Schedule":
        return Schedule(tuple(one for one in self.strikes if one != strike))

    def command(self) -> str:
        """What repeats it."""
        return f'invoke faults --schedule "{self}"'


def cells() -> list[Strike]:
    """Every fault at every place."""
    every = (Strike(fault, place) for fault in FAULTS for place in PLACES)
    return [strike for strike in every if strike.possible]


def drawn(seed: int) -> Schedule:
    """Two or three different faults at places of one cutover and its way back; the same for the same seed, anywhere."""
    luck = random.Random(f"faults {seed}")
    every = [strike for strike in cells() if strike.place.leg != RESUME]
    wanted = luck.randint(2, MOST)
    found: list[Strike] = []
    while len(found) < wanted:
        strike = luck.choice(every)
        if strike.fault.name not in {one.fault.name for one in found}:
            found.append(strike)
    return Schedule.of(found)


def shortest(failing: Schedule, fails: Callable[[Schedule], Any]) -> Schedule:
    """The shortest schedule that still fails: strikes are left out one by one, for as long as that changes nothing."""
    smaller = True
    while smaller and len(failing.strikes) > 1:
        smaller = False
        for strike in failing.strikes:
            if fails(failing.without(strike)):
                failing, smaller = failing.without(strike), True
                break
    return failing
