"""Waiting in line on a whole Sublet: a real hub, real notebook servers and kernels, one card.

People use the spawn page as a browser without scripts does. Hub and service are killed and started
again while somebody waits.
"""

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import requests
from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_quota.wire.event_kinds import EventKind
from tornado.httpclient import AsyncHTTPClient

from tests.support.browser_machine import BrowserMachine, browser_machine, until

pytestmark = [pytest.mark.end_to_end]
QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - {name: interactive, memory_overcommit: 1, compute_overcommit: 1}
sizes:
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {cards: 1}}
groups:
  course: {}
  guests: {members: [cuorse]}
exceptions:
  - {who: [cleoo], set: {jobs: {most: 2}}, until: 2099-01-01, why: names that the hub has not}
notebooks: {when_full: queue, wait_most: 2h}
"""
GROUPS = {"course": ("ada", "bea", "cleo")}


class Page:
    """The spawn page of somebody who is logged in."""

    def __init__(self, machine: BrowserMachine, name: str) -> None:
        self.name = name
        self._url = machine.places.hub_url
        self._session = requests.Session()
        self._ask("GET", "/hub/login")
        form = {"username": name, "password": machine.settings.password}
        self._send("/hub/login", form)
        self._ask("GET", f"/hub/spawn/{name}")

    def look(self) -> requests.Response:
        """See the page; while a start is pending JupyterHub shows another."""

        def page() -> requests.Response | None:
            answer = self._ask("GET", f"/hub/spawn/{self.name}")
            return None if is_pending(answer) else answer

        found: requests.Response = until(page, f"the start of {self.name}'s server to end")
        return found

    def join(self, size: str) -> requests.Response:
        """Send the form until JupyterHub, which waits a second for it, leads back by its answer."""

        def led_back() -> requests.Response | None:
            sent = self.send(size=size)
            if not is_pending(sent):
                return sent
            self.look()
            return None

        found: requests.Response = until(led_back, "the service to answer within a second")
        return found

    def send(self, **fields: str) -> requests.Response:
        """Send the form; where that leads is not followed."""
        return self._send(f"/hub/spawn/{self.name}", fields)

    def notice(self) -> str:
        """The notice on top, as text; empty where there is none."""
        found = re.search(r'<section class="alert[^>]* sublet-line".*?</section>', self.look().text)
        return "" if found is None else unescape(re.sub("<[^>]+>", " ", found[0]))

    def close(self) -> None:
        self._session.close()

    def _send(self, path: str, fields: dict[str, str]) -> requests.Response:
        token = self._session.cookies.get("_xsrf", path="/hub/") or ""
        return self._ask("POST", path, params={"_xsrf": token}, data={**fields, "_xsrf": token})

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        url = self._url + path
        answer = self._session.request(method, url, allow_redirects=False, timeout=120, **more)
        assert answer.status_code < 400, answer.text
        return answer


def is_pending(answer: requests.Response) -> bool:
    return answer.headers.get("Location", "").startswith("/hub/spawn-pending/")


@pytest.fixture
def machine() -> Iterator[BrowserMachine]:
    with browser_machine(QUOTA, GROUPS, speed=40) as running:
        yield running


def kill_and_start_again(machine: BrowserMachine, name: str) -> None:
    parts = machine.machine.parts
    part = next(part for part in parts.running if part.name == name)
    part.process.kill()
    part.process.wait(60)
    parts.start_again(part)


def answers(machine: BrowserMachine, path: str) -> bool:
    headers = {"Authorization": f"token {machine.token}"}
    try:
        return requests.get(machine.places.hub_url + path, headers=headers, timeout=120).ok
    except requests.ConnectionError:
        return False


def names_not_there(machine: BrowserMachine) -> set[str]:
    """What admins are warned of that JupyterHub has not."""
    warnings = machine.call("GET", "/services/sublet/api/quota").json()["warnings"]
    told = (each.partition("JupyterHub has ") for each in warnings)
    return {what for _, has, what in told if has}


def servers(machine: BrowserMachine) -> dict[str, dict[str, Any]]:
    """Who has a default server, and how it is."""
    users = machine.call("GET", "/hub/api/users?state=active").json()
    return {user["name"]: user["servers"][""] for user in users if "" in user["servers"]}


async def reads_in_a_kernel(person: Person) -> str:
    await person.log_in()
    kernel = await person.open_kernel()
    told = await kernel.run("import os; print(os.environ['SUBLET_COMPUTE_MILLI'])")
    kernel.close()
    AsyncHTTPClient().close()
    return told.text.strip()


def test_who_waits_is_started_when_another_ends_whatever_was_restarted_and_nobody_else_is(
    machine: BrowserMachine,
) -> None:
    unknown = {
        "no group 'cuorse' (did you mean 'course'?)",
        "no user 'cleoo' yet (did you mean 'cleo'?)",
    }
    until(lambda: names_not_there(machine) == unknown, "the hub to be asked for its names")
    machine.start_server("ada", "whole")
    bea, cleo = Page(machine, "bea"), Page(machine, "cleo")
    assert "your server waits in line, and starts by itself" in bea.look().text
    for place, page in enumerate((bea, cleo), start=1):
        sent = page.join("whole")
        assert sent.status_code == 303
        assert sent.headers["Location"] == f"/hub/spawn/{page.name}"
        shown = page.look()
        assert shown.headers["Refresh"] == f"20; url=/hub/spawn/{page.name}"
        notice = page.notice()
        assert f"in line, at place {place}" in notice
        assert "starts by itself when its turn comes" in notice
        assert "not known" in notice, "nothing is known of when Ada's server ends"
        for other in {"ada", "bea", "cleo"} - {page.name}:
            assert re.search(rf"\b{other}\b", notice) is None
    assert set(servers(machine)) == {"ada"}

    (waits,) = machine.call("GET", "/services/sublet/api/queue?owner=bea").json()
    kill_and_start_again(machine, "service")
    until(lambda: answers(machine, "/services/sublet/api/queue"), "the service to answer")
    kill_and_start_again(machine, "hub")
    until(lambda: answers(machine, "/services/sublet/api/queue"), "hub and service to answer")
    until(lambda: answers(machine, "/hub/api/users"), "the hub to answer")
    (still,) = machine.call("GET", "/services/sublet/api/queue?owner=bea").json()
    assert (still["place"], still["since"]) == (1, waits["since"])
    assert "in line, at place 1" in bea.notice()

    # A link changes nothing; the button does.
    cleo._ask("GET", "/hub/spawn/cleo?opt-leave_line=1&opt-size=whole")
    assert "in line, at place 2" in cleo.notice()
    left = cleo.send(leave_line="1")
    assert (left.status_code, left.headers["Location"]) == (303, "/hub/spawn/cleo")
    assert "Refresh" not in cleo.look().headers
    assert not cleo.notice()

    machine.call("DELETE", "/hub/api/users/ada/server")
    until(lambda: servers(machine).get("bea", {}).get("ready"), "Bea's server to be started")
    assert machine.slice_of("bea")["lease"]["size"] == "whole"
    assert servers(machine)["bea"]["user_options"] == {"size": "whole"}
    person = Person(machine.places.hub_url, "bea", machine.settings.password)
    assert asyncio.run(reads_in_a_kernel(person)) == "1000"
    assert bea.look().headers["Location"].startswith("/user/bea")
    assert set(servers(machine)) == {"bea"}
    assert machine.call("GET", "/services/sublet/api/queue?all=1").json() == []
    kinds = [
        (each["owner"], each["kind"])
        for each in machine.call("GET", "/services/sublet/api/events").json()
    ]
    assert kinds.count(("bea", EventKind.QUEUE_TURN.value)) == 1
    assert ("cleo", EventKind.QUEUE_LEFT.value) in kinds
    for page in (bea, cleo):
        page.close()
