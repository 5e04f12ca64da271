"""Which database it is: told apart from every other one, also from a new one under an old name."""

from cutover.postgres.session import Database

# The cluster's own number, made when it was made, and the database's in it.
IDENTITY = "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database WHERE datname = current_database()"


def identity(database: Database) -> str:
    """Cluster and database in a word; raises Unreachable when it does not answer."""
    with database.open("look") as session:
        return str(session.value(IDENTITY))
