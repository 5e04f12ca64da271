"""Live output: one line per item as it ends, a moving line while it is waited for; plain lines without a terminal."""

import os
import sys
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from cutover.core.gate import Gate
from cutover.core.plain import text
from cutover.core.plan import Item, Plan
from cutover.core.walk import Event

HEARTBEAT = 2.0  # seconds between plain lines while waiting
SIGNS = {"converged": "✓", "skipped": "=", "passed": "✓", "failed": "✗", "noted": "!"}


def console() -> Console:
    """Standard error; colours and moving lines only on a terminal that wants them."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()
    return Console(
        stderr=True, no_color=plain, force_terminal=False if plain else None, highlight=False, soft_wrap=True
    )


@dataclass
class Shower:
    """Shows the events of one run of `plan`; `zone` answers cancel, rollback or finished."""

    plan: Plan
    out: Console = field(default_factory=console)
    _items: dict[str, Item] = field(default_factory=dict)
    _number: int = 0
    _total: int = 0
    _began: float = field(default_factory=time.monotonic)
    _item_began: float = field(default_factory=time.monotonic)
    _last_line: float = field(default_factory=time.monotonic)
    _status: Status | None = None
    _zone: str = "cancel"

    def __post_init__(self) -> None:
        self._take_plan(self.plan)

    def __call__(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "looking":
                self._looking(str(data["item"]), str(data["seen"]), float(data["left"]))
                return
            case "leg-started":
                self._leg(event)
            case "leg-resumed":
                self._line("[bold]resumed[/] where the journal says it stands")
            case "plan-changed":
                self._line(
                    f"[yellow]the plan is another one now:[/] begun with {data['was'][:12]}, now {data['now'][:12]}"
                )
            case "phase-entered":
                budget = f", budget {data['budget']:g} s" if data.get("budget") else ""
                phase = data["phase"]
                owner = next((p.owner for p in self.plan.phases if p.name == phase), "")
                left = f"about {self._left():.0f} s to the end"
                self._line(f"\n[bold]{escape(phase)}[/]  (owner: {escape(owner)}{budget}; zone: {self._zone}; {left})")
            case "phase-left":
                self._line(f"  {data['phase']} took {data['seconds']:.1f} s")
            case "intent":
                self._item_began = time.monotonic()
            case "converged" | "skipped" | "passed" | "failed" | "noted":
                self._item(event)
            case "command-failed":
                self._line(f"    [yellow]the command failed:[/] {escape(str(data['error']))}; reading back")
            case "retrying":
                self._line(f"    [yellow]again:[/] {escape(str(data['item']))}: {escape(str(data['error']))}")
            case "overrun":
                where = "past its commit point: finished forward" if data.get("committed") else "is taken back"
                self._line(f"[yellow]{escape(str(data['phase']))} {where}[/] {escape(str(data.get('error') or ''))}")
            case "guard-failed":
                self._line(
                    f"[red]guard {escape(str(data['guard']))}:[/] {escape(str(data['seen']))} → {data['policy']}"
                )
            case "unexpected":
                self._line(
                    f"[red]unexpected:[/] seen {escape(text(data['seen']))}, wanted {escape(str(data['wanted']))}"
                )

    def close(self) -> None:
        """Ends the moving line."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _left(self) -> float:
        """What the items ahead usually take, in seconds: a step's expected time, a gate's soak and a moment."""
        ahead = list(self._items.values())[self._number :]
        return sum(item.hold + 1.0 if isinstance(item, Gate) else item.expected for item in ahead)

    def _take_plan(self, plan: Plan) -> None:
        for _, item in plan.walk():
            self._items[item.name] = item
        self._total = len(self._items)

    def _leg(self, event: Event) -> None:
        data = event.data
        if data["direction"] == "back":
            back = self.plan.inverse(
                data["taken"],
                to=data.get("to"),
                everything=bool(data.get("everything")),
                half_done=data.get("half_done", ()),
            )
            self._items = {item.name: item for _, item in back.walk()}
            self._zone = "rollback" if back.commit_steps() else "cancel"
            self._total, self._number = len(self._items), 0
            where = f"to the end of {data['to']}" if data.get("to") else "to blue"
            self._line(f"[bold]going back {where}[/]: {escape(str(data.get('reason') or ''))}")
        else:
            until = f" until {data['until']}" if data.get("until") else ""
            self._line(f"[bold]{self.plan.name} {escape(self.plan.environment)}[/]{until}, plan {data['digest'][:12]}")

    def _item(self, event: Event) -> None:
        self.close()
        data = event.data
        name = str(data.get("step") or data.get("gate"))
        self._number += 1
        item = self._items.get(name)
        seconds = time.monotonic() - self._item_began if event.kind != "skipped" else 0.0
        seen = _what(item, event)
        sign = SIGNS[event.kind]
        style = "red" if event.kind == "failed" else "green" if event.kind != "skipped" else "dim"
        self._line(
            f"  [{style}]{sign}[/] {self._number:>2}/{self._total} {escape(name):<30} {escape(seen)}  [dim]{seconds:.1f} s[/]"
        )
        if item is not None and getattr(item, "commit_point", False):
            self._zone = "rollback" if not name.endswith("-undo") else "cancel"
            timings = (data.get("evidence") or {}).get("milliseconds") or {}
            if timings:
                self._line(f"        writes waited {timings['pause']:.0f} ms at the database; zone: {self._zone}")
        self._item_began = time.monotonic()

    def _looking(self, name: str, seen: str, left: float) -> None:
        words = f"{name}: {seen}"
        elapsed = time.monotonic() - self._item_began
        if self.out.is_terminal:
            shown = f"  … {self._number + 1:>2}/{self._total} {escape(words)}  [dim]{elapsed:.0f} s, at most {left:.0f} s more[/]"
            if self._status is None:
                self._status = self.out.status(shown, spinner="dots")
                self._status.start()
            else:
                self._status.update(shown)
        elif time.monotonic() - self._last_line >= HEARTBEAT:
            self._line(
                f"  … {self._number + 1:>2}/{self._total} {escape(words)}  ({elapsed:.0f} s, at most {left:.0f} s more)"
            )

    def _line(self, markup: str) -> None:
        self.close()
        self._last_line = time.monotonic()
        self.out.print(markup)


def _what(item: Item | None, event: Event) -> str:
    data = event.data
    if isinstance(item, Gate) or item is None or "step" not in data:
        return str(data.get("seen"))
    if event.kind == "skipped":
        return f"already {text(item.after)}"
    return f"{text(item.before)} → {text(item.after)}"
