"""A table of figures: each line is what was measured, beside its references in the same run, against its targets."""

import math
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

from cutover.core.errors import ConfigurationRefused, CutoverError
from cutover.world import bouncer, servers

HEAD = ("figure", "ours: min · median · p95 · max", "reference: median (min–max)", "ratio", "target", "met?",
        "load", "seen")  # fmt: skip


class NotMeasured(CutoverError):
    """What is needed to measure this is not there; the message says what would bring it."""


class BenchFailed(CutoverError):
    """What was measured gave a wrong answer, so its time means nothing."""


@dataclass(frozen=True)
class Spread:
    """The samples of one measurement, in `unit`."""

    samples: tuple[float, ...]
    unit: str = "ms"

    @classmethod
    def of(cls, samples: Iterable[float], unit: str = "ms") -> "Spread":
        return cls(tuple(samples), unit)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def worst(self) -> float:
        return max(self.samples)

    @property
    def p95(self) -> float:
        """The smallest sample that 95 % of all do not exceed."""
        return sorted(self.samples)[math.ceil(0.95 * len(self.samples)) - 1]

    def __str__(self) -> str:
        shown = (min(self.samples), self.median, self.p95, self.worst)
        numbers = [_number(one) for one in (shown if len(self.samples) > 1 else shown[:1])]
        return f"{' · '.join(numbers)} {self.unit}".strip()

    def short(self) -> str:
        """The median and what it lies between."""
        low, high = _number(min(self.samples)), _number(self.worst)
        return f"{_number(self.median)} ({low}–{high}) {self.unit}".strip()

    def document(self) -> dict[str, Any]:
        return {"unit": self.unit, "min": min(self.samples), "median": self.median, "p95": self.p95,
                "max": self.worst, "samples": list(self.samples)}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """What ours is held against; without a spread, `name` says why there is none."""

    name: str
    spread: Spread | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.spread.short()}" if self.spread else self.name


@dataclass(frozen=True)
class Limit:
    """A target: `what` is median, worst, or the name of a reference of whose median ours is at most so many times."""

    what: str
    most: float

    def holds(self, line: "Line") -> bool:
        """Whether it was reached; what was not measured was not."""
        if line.ours is None:
            return False
        if self.what in ("median", "worst"):
            return bool(getattr(line.ours, self.what) <= self.most)
        ratio = line.ratios.get(self.what)
        return ratio is not None and ratio <= self.most

    def __str__(self) -> str:
        if self.what in ("median", "worst"):
            return f"{self.what} ≤ {self.most:g}"
        return f"≤ {self.most:g} × {self.what}"


@dataclass(frozen=True)
class Line:
    """One figure; `failed` when the measurement broke off or gave a wrong answer, as `seen` says."""

    figure: str
    ours: Spread | None = None
    references: Sequence[Reference] = ()
    limits: Sequence[Limit] = ()
    seen: str = ""
    failed: bool = False
    load: float = 0.0
    """The machine's load average when the measurement began."""

    @property
    def ratios(self) -> dict[str, float]:
        """Our median to that of each reference that was measured."""
        if self.ours is None:
            return {}
        return {
            reference.name: self.ours.median / reference.spread.median
            for reference in self.references
            if reference.spread is not None and reference.spread.median > 0
        }

    @property
    def met(self) -> bool | None:
        """Whether every target was reached; None where there is none."""
        if self.failed:
            return False
        return all(limit.holds(self) for limit in self.limits) if self.limits else None

    def cells(self) -> tuple[str, ...]:
        ratios = self.ratios
        return (
            self.figure,
            str(self.ours) if self.ours else "–",
            "; ".join(map(str, self.references)),
            "; ".join(f"{ratios[one.name]:.2f}" for one in self.references if one.name in ratios),
            ", ".join(map(str, self.limits)),
            {True: "yes", False: "no", None: ""}[self.met],
            f"{self.load:.1f}",
            self.seen,
        )

    def document(self) -> dict[str, Any]:
        return {
            "figure": self.figure,
            "ours": self.ours.document() if self.ours else None,
            "references": [{"name": one.name, **(one.spread.document() if one.spread else {})} for one in self.references],
            "ratios": {name: round(ratio, 3) for name, ratio in self.ratios.items()},
            "targets": [str(limit) for limit in self.limits],
            "met": self.met,
            "load": self.load,
            "seen": self.seen,
            "failed": self.failed,
        }  # fmt: skip


@dataclass
class Figures:
    """Every line of one run, in two tables, and what it ran on."""

    title: str
    machine: str
    lines: list[Line] = field(default_factory=list)
    growth: list[Line] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(line.failed for line in (*self.lines, *self.growth))

    def document(self) -> dict[str, Any]:
        def told(lines: list[Line]) -> list[dict[str, Any]]:
            return [{**line.document(), "machine": self.machine} for line in lines]

        return {"title": self.title, "machine": self.machine, "lines": told(self.lines), "growth": told(self.growth)}

    def markdown(self) -> str:
        return self._shown(_markdown)

    def __str__(self) -> str:
        return self._shown(_aligned)

    def _shown(self, table: Callable[[list[Line]], str]) -> str:
        tables = [table(lines) for lines in (self.lines, self.growth) if lines]
        return "\n\n".join([f"{self.title}. {self.machine}.", *tables])


def parts_named(known: Collection[str], only: str) -> Sequence[str]:
    """The parts named, separated by commas, or all; raises ConfigurationRefused for one that is not known."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationRefused([f"--only: {name!r} is no part; known: {', '.join(known)}" for name in unknown])
    return names or list(known)


def machine() -> str:
    """The machine in a line."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def postgres() -> str:
    """The servers of both sides."""
    programs = [str(servers.wheel() / folder / "bin" / "postgres") for folder in servers.INSTALLATIONS.values()]
    return f"PostgreSQL {' to '.join(_said(program).split()[-1] for program in programs)}"


def versions() -> str:
    """What is measured and what it is held against, as far as it is installed."""
    found = [postgres()]
    if bouncer.PROGRAM.exists():
        found.append(_said(str(bouncer.PROGRAM)).splitlines()[0])
    with suppress(metadata.PackageNotFoundError):
        found.append(f"reladiff {metadata.version('reladiff')}")
    return ", ".join(found)


def _said(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout


def attempted(name: str, lines: Callable[[], Iterable[Line]], say: Callable[[str], None]) -> Iterator[Line]:
    """The lines of one measurement as they come; when it breaks off, a last one says why, and the next ones still run."""
    load = os.getloadavg()[0]
    try:
        for line in lines():
            yield replace(line, load=line.load or load)
    except NotMeasured as error:
        yield Line(name, seen=f"not measured: {error.message}", load=load)
    except Exception as error:  # noqa: BLE001 - whatever it is: an hour's other figures must not be lost with it
        say(f"{name} failed: {error}")
        yield Line(name, seen=f"failed: {type(error).__name__}: {_one_line(str(error))}", failed=True, load=load)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300].replace("|", "/")


def _aligned(lines: list[Line]) -> str:
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _markdown(lines: list[Line]) -> str:
    rows = [HEAD, ("---",) * len(HEAD), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
