"""The command that writes the report of a run."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say
from cutover.cli.looking import ENV


@task(
    help={
        "env": ENV,
        "run": "the run, as `history` names it; the newest when left out",
        "out": "a folder for the three files; .cutover/reports/ENV/RUN when left out",
        "json": "the document on standard output, and no file",
    }
)
@ended
def report(c: Context, env: str = "", run: str = "", out: str = "", json: bool = False) -> None:
    """Write what a run was: one HTML file, its Markdown twin, the data. Example: invoke report --env prod"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.errors import Refused
    from cutover.report.gathered import report_of
    from cutover.report.pages import written

    app = opened(named(env), read_only=True)
    document = report_of(app, run)
    if json:
        print_json(document)
        return
    folder = Path(out) if out else place(app, document["run"])
    if is_dry(c, False):
        say(f"would write report.html, report.md and report.json into {folder}")
        return
    try:
        paths = written(document, folder)
    except OSError as error:
        raise Refused(
            f"the report could not be written into {folder}: {error.strerror}",
            next_command=f"invoke report --env {env} --out FOLDER",
        ) from error
    for path in paths:
        print(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else path)


def place(app: Any, run: str) -> Path:
    """Where the files of a run go when nobody says where; a run's name leads to no other folder."""
    name = quote(run, safe="")
    folder: Path = app.home / "reports" / app.environment.name
    return folder / (f"_{name}" if name.startswith(".") else name)
