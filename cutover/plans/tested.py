"""The smoke tests as a check of one side."""

from cutover.net.smoke import SmokeTests
from cutover.plans.means import Means


def tested(means: Means, side: str, keyword: str = "") -> SmokeTests | None:
    """The smoke tests against one side, None where the environment names no address of it."""
    url, wanted = means.url(side), means.environment.smoke
    if url is None:
        return None
    ref = wanted.blue if side == "blue" else wanted.green
    shown = f"${ref.name}" if ref is not None and ref.kind == "env" else str(ref)
    return SmokeTests(
        folder=wanted.path,
        url=url,
        url_shell=shown,
        keyword=keyword,
        timeout=wanted.timeout,
        dry=means.read_only,
    )
