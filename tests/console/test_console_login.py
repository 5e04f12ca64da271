"""Who is let in, and for how long."""

import requests
from shop_floor import VIEWER, Desk


def login(desk: Desk, token: str, **headers: str) -> requests.Response:
    return requests.post(f"{desk.address}/session", json={"token": token}, headers=desk.own(**headers), timeout=10)


def test_a_link_lets_its_person_in_once(desk: Desk) -> None:
    token = desk.token(VIEWER)
    answer = login(desk, token)
    assert answer.status_code == 204 and not answer.content
    name, flags = answer.headers["set-cookie"].partition("=")[::2]
    assert name == f"cutover-console-{desk.console.port}"
    assert {part.strip().lower() for part in flags.split(";")[1:]} == {"httponly", "max-age=43200", "path=/", "samesite=strict"}  # fmt: skip
    page = requests.get(
        desk.address, headers={"Cookie": answer.headers["set-cookie"].partition(";")[0]}, timeout=10
    ).text
    assert "carla@desk" in page and 'data-roles="viewer"' in page and "entry 5" in page
    again = login(desk, token)
    assert again.status_code == 403 and "set-cookie" not in again.headers and "used" in again.text
