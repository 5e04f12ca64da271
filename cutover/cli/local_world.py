"""The local world: a whole system on this machine to cut over."""

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say


@task(help={"rows": "rows that the shop is loaded with", "rate": "requests per second of all customers together"})
@ended
def up(c: Context, rows: int = 200_000, rate: int = 60) -> None:
    """Bring the local world up; it stays up until world.down. Example: invoke world.up"""
    from cutover.app import home
    from cutover.world import world

    found = world.up(home(), rows=rows, rate=rate, log=say)
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
