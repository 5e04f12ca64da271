"""The local world: a whole system on this machine to cut over."""

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say


@task(
    help={
        "rows": "rows that the shop is loaded with",
        "rate": "requests per second of all customers together",
        "watched": "with a Prometheus that scrapes both shops (apt-get install prometheus)",
        "suggestions": "with a service that a flag routes",
    }
)
@ended
def up(c: Context, rows: int = 200_000, rate: int = 60, watched: bool = False, suggestions: bool = False) -> None:
    """Bring the local world up; it stays up until world.down. Example: invoke world.up"""
    from cutover.app import home
    from cutover.world import world

    found = world.up(home(), rows=rows, rate=rate, watched=watched, suggestions=suggestions, log=say)
    say(f"up: {len(found.components)} parts; its variables: source {found.directory}/env.sh")


@task
@ended
def down(c: Context) -> None:
    """End the local world and remove everything of it, its runs' journals too. Example: invoke world.down"""
    from cutover.app import home
    from cutover.world import world

    world.down(home())
    say("down")


@task(help={"json": "one document on standard output"})
@ended
def status(c: Context, json: bool = False) -> None:
    """Show every part of the local world. Example: invoke world.status"""
    from cutover.app import home
    from cutover.cli.opening import print_json
    from cutover.world import world

    parts = world.status(home())
    if json:
        print_json(
            [{"name": p.name, "pid": p.pid, "port": p.port, "alive": p.alive, "detail": p.detail} for p in parts]
        )
        return
    if not parts:
        print("the local world is not up: invoke world.up")
    for part in parts:
        print(f"  {'✓' if part.alive else '✗'} {part.name:<14} port {part.port:<6} pid {part.pid:<8} {part.detail}")


@task(help={"rate": "requests per second of all customers together; 0 lets them rest"})
@ended
def load(c: Context, rate: int = 60) -> None:
    """Change how much the customers do. Example: invoke world.load --rate 200"""
    from cutover.app import home
    from cutover.world import world

    world.load(home(), rate)
    say(f"the customers make {rate} requests per second")


@task(
    help={
        "side": "whose shop: blue or green",
        "errors": "of customers' requests, answered 500: 12%",
        "payments": "of checkouts, refused by the payment provider: 5%",
        "latency": "added to each of customers' requests: 150ms",
        "leak": "memory that grows, as its metrics show it: 20MB/s",
        "silent": "its metrics answer nothing any more",
        "crash": "ends the shop with SIGKILL",
        "corrupt": "makes one row wrong, a payment of the newest order",
        "heal": "takes all of it away again",
    }
)
@ended
def fault(
    c: Context,
    side: str = "green",
    errors: str = "",
    payments: str = "",
    latency: str = "",
    leak: str = "",
    silent: bool = False,
    crash: bool = False,
    corrupt: bool = False,
    heal: bool = False,
) -> None:
    """Make something go wrong in the local world, to see what a cutover does. Example: invoke world.fault --errors 12%"""
    from cutover.app import home
    from cutover.core.errors import ConfigurationRefused
    from cutover.world import faults, world

    name = faults.shop_of(side)
    sizes = {"errors": errors, "payments": payments, "latency": latency, "leak": leak}
    changes: dict[str, float | bool] = {fault: faults.amount(fault, text) for fault, text in sizes.items() if text}
    changes |= {"silent": True} if silent else {}
    if heal == bool(changes or crash or corrupt):
        raise ConfigurationRefused(["either --heal, or what is to go wrong: --errors 12%, --crash, … (--help)"])
    if heal:
        say("; ".join(world.heal(home(), side)))
    if changes:
        say(f"{name} suffers from: {world.fault(home(), side, changes)}")
    if corrupt:
        say(f"the payment of order {world.corrupt(home(), side)} is wrong on {side}")
    if crash:
        world.kill(home(), name)
        say(f"{name} was killed")


TASKS = (up, down, status, load, fault)
