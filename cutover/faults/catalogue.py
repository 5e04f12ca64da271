"""All faults, the most dangerous families first."""

from cutover.core.errors import ConfigurationRefused
from cutover.faults import aws, links, looks, machine, names, people, postgres, processes
from cutover.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *links.FAULTS,
    *processes.FAULTS,
    *postgres.FAULTS,
    *people.FAULTS,
    *aws.FAULTS,
    *machine.FAULTS,
    *looks.FAULTS,
    *names.FAULTS,
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def fault_named(name: str) -> Fault:
    """The fault of that name; raises ConfigurationRefused with the known ones."""
    if name not in BY_NAME:
        raise ConfigurationRefused([f"no fault is called {name!r}; known: {', '.join(BY_NAME)}"])
    return BY_NAME[name]
