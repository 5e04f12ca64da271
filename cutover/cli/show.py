"""Live output: one line per item as it ends, a moving line while it is waited for; plain lines without a terminal."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from cutover.cli.ends import HEARTBEAT, has_style
from cutover.core.gate import Gate
from cutover.core.journal import Position
from cutover.core.leg import BACK
from cutover.core.plain import span, spelled, text
from cutover.core.plan import Item, Plan
from cutover.core.step import UNDO
from cutover.core.walk import Event
from cutover.run_views import zone

SIGNS = {"converged": "✓", "skipped": "=", "passed": "✓", "failed": "✗", "noted": "!"}


def console() -> Console:
    """Standard error; colours and moving lines only on a terminal that wants them."""
    plain = not has_style(sys.stderr)
    return Console(
        stderr=True, no_color=plain, force_terminal=False if plain else None, highlight=False, soft_wrap=True
    )


@dataclass
class Shower:
    """Shows the events of one run of `plan`; `position` is where its journal stands, None before there is one."""

    plan: Plan
    out: Console = field(default_factory=console)
    position: Callable[[], Position | None] = lambda: None
    _items: dict[str, Item] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)
    _about: set[str] = field(default_factory=set)
    _number: int = 0
    _total: int = 0
    _began: float = field(default_factory=time.monotonic)
    _item_began: float = field(default_factory=time.monotonic)
    _last_line: float = field(default_factory=time.monotonic)
    _status: Status | None = None
    _zone: str = "cancel"

    def __post_init__(self) -> None:
        self._take_plan(self.plan)
        self._zone = {"finish": "rollback", "decommission": "finished"}.get(self.plan.name, self._zone)

    def __call__(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "looking":
                self._looking(str(data["item"]), str(data["seen"]), float(data["left"]), str(data.get("about") or ""))
                return
            case "leg-started":
                self._leg(event)
            case "leg-resumed":
                self._stands()
                self._goes_on()
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
            case "call-failed":
                again = f"{data['call']}: {data['error']}"
                self._line(f"    [yellow]tried again until its time is over:[/] {escape(again)}")
            case "calls-repeated":
                times = ", ".join(f"{call} {count} times" for call, count in data["times"].items())
                self._line(f"    [dim]made once more: {escape(times)}[/]")
            case "unclaimed":
                self._line(
                    f"    [yellow]a name was not claimed, and each change of it asks again:[/] {escape(str(data['error']))}"
                )
            case "retrying":
                self._line(f"    [yellow]again:[/] {escape(str(data['item']))}: {escape(str(data['error']))}")
            case "overrun":
                where = "past its commit point: finished forward" if data.get("committed") else "is taken back"
                self._line(f"[yellow]{escape(str(data['phase']))} {where}[/] {escape(str(data.get('error') or ''))}")
            case "guard-failed":
                self._line(
                    f"[red]guard {escape(str(data['guard']))}:[/] {escape(str(data['seen']))} → {data['policy']}"
                )
            case "standing" | "standing-ended" | "guard-cleared":
                (self._about.add if event.kind == "standing" else self._about.discard)(str(data["guard"]))
                self._line(f"[yellow]guard {escape(str(data['guard']))}:[/] {escape(_of_guard(event))}")
            case "checkpoint":
                style = "green" if data["verdict"] == "pass" else "yellow"
                report = f"report: {data['file']}"
                self._line(f"    [{style}]{escape(str(data['seen']))}[/] → {data['decision']}; {escape(report)}")
            case "override":
                self._line(f"[yellow]overridden:[/] {escape(str(data['what']))}; {escape(str(data['reason']))}")
            case "standing-by":
                self._line(f"[yellow]stands by, and watches:[/] {escape(str(data['why']))}")
            case "lease-kept":
                self._line(
                    f"\n[bold red]the lease {data['lease']} could not be given back:[/] {escape(str(data['error']))}\n"
                    f"on another machine type, before anything else: {escape(str(data['next']))}"
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
        self._items = {item.name: item for _, item in plan.walk()}
        self._places = {name: number for number, name in enumerate(self._items, 1)}
        self._total, self._number = len(self._items), 0

    def _stands(self) -> None:
        """A run may have been walked by other processes before this one: what is switched stands in the journal."""
        position = self.position()
        if position is not None and self.plan.name == "cutover":
            self._zone = zone(self.plan, position)

    def _goes_on(self) -> None:
        """Numbers go on where the journal stands, on the way back by the plan of that way."""
        position = self.position()
        if position is None or position.leg is None:
            return
        leg = position.leg
        if leg.direction == BACK:
            self._take_plan(self.plan.inverse(leg.taken, to=leg.to, everything=leg.everything, half_done=leg.half_done))
        done = position.leg_done if leg.direction == BACK else position.done
        self._number = max((self._places[name] for name in done if name in self._places), default=0)

    def _leg(self, event: Event) -> None:
        data = event.data
        self._stands()
        if data["direction"] == "back":
            back = self.plan.inverse(
                data["taken"],
                to=data.get("to"),
                everything=bool(data.get("everything")),
                half_done=data.get("half_done", ()),
            )
            self._take_plan(back)
            where = f"to the end of {data['to']}" if data.get("to") else "to blue"
            self._line(f"[bold]going back {where}[/]: {escape(str(data.get('reason') or ''))}")
        else:
            self._take_plan(self.plan)
            self._goes_on()
            until = f" until {data['until']}" if data.get("until") else ""
            self._line(f"[bold]{self.plan.name} {escape(self.plan.environment)}[/]{until}, plan {data['digest'][:12]}")

    def _item(self, event: Event) -> None:
        self.close()
        data = event.data
        name = str(data.get("step") or data.get("gate"))
        self._number = self._places.get(name, self._number)
        item = self._items.get(name)
        seconds = time.monotonic() - self._item_began if event.kind != "skipped" else 0.0
        seen = _what(item, event)
        sign = SIGNS[event.kind]
        style = "red" if event.kind == "failed" else "green" if event.kind != "skipped" else "dim"
        self._line(
            f"  [{style}]{sign}[/] {self._number:>2}/{self._total} {escape(name):<30} {escape(seen)}  [dim]{seconds:.1f} s[/]"
        )
        switching = [step.name for step in self.plan.switching_steps()]
        if item is not None and name.removesuffix(UNDO) in switching:
            # What goes back to a smaller share of green's is not cancelled yet.
            self._zone = "cancel" if name == f"{switching[0]}{UNDO}" else "rollback"
            timings = (data.get("evidence") or {}).get("milliseconds") or {}
            if timings:
                self._line(f"        writes waited {timings['pause']:.0f} ms at the database; zone: {self._zone}")
        self._item_began = time.monotonic()

    def _looking(self, name: str, seen: str, left: float, about: str = "") -> None:
        """What a wait sees; what it is `about` is said once, and then only what changes."""
        words = f"{name}: {seen}" + (f": {about}" if about and name not in self._about else "")
        number = self._places.get(name, min(self._number + 1, self._total))
        elapsed = time.monotonic() - self._item_began
        most = f", at most {left:.0f} s more" if left > 0 else ""  # no clock ends what a person decides
        if self.out.is_terminal:
            shown = f"  … {number:>2}/{self._total} {escape(spelled(words))}  [dim]{elapsed:.0f} s{most}[/]"
            if self._status is None:
                self._status = self.out.status(shown, spinner="dots")
                self._status.start()
            else:
                self._status.update(shown)
        elif time.monotonic() - self._last_line >= HEARTBEAT:
            self._about.add(name)
            self._line(f"  … {number:>2}/{self._total} {escape(words)}  ({elapsed:.0f} s{most})")

    def _line(self, markup: str) -> None:
        self.close()
        self._last_line = time.monotonic()
        self.out.print(spelled(markup))


def _of_guard(event: Event) -> str:
    data = event.data
    if event.kind == "guard-cleared":
        return f"well again: {data['seen']}"
    if event.kind == "standing-ended":
        by = f"{data['who']} says to go on: {data['reason']}" if data["outcome"] == "borne" else str(data["seen"])
        return f"{data['outcome']}: {by}"
    if data["seconds"] is None:
        return f"{data['seen']} → stands still; go on all the same: invoke resume --reason '…'"
    return f"{data['seen']} → investigate; unless it is well in {span(data['seconds'])}: {data['then']}"


def _what(item: Item | None, event: Event) -> str:
    data = event.data
    if isinstance(item, Gate) or item is None or "step" not in data:
        return str(data.get("seen"))
    if event.kind == "skipped":
        return f"already {text(item.after)}"
    return f"{text(item.before)} → {text(item.after)}"
