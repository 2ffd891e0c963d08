"""A data scientist's share, through the notebook server's own routes, on a whole Sublet.

What the panel, the dialog and the widget ask for: seen with a real hub, a real agent, real kernels
and jobs, on simulated GPUs.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from nbformat.v4 import new_code_cell, new_notebook
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from tests.support.browser_machine import QUOTA, BrowserMachine, browser_machine
from tests.support.whole_words import names

pytestmark = [pytest.mark.end_to_end, pytest.mark.asyncio(loop_scope="module")]
PATIENCE_S = 180
HOLD = "import sublet_agent.simulated.client as gpu; data = gpu.allocate(gib=6); data.fill(7)"
COMPUTE_UNTIL_THERE = """
import os
while not os.path.exists({path!r}):
    gpu.compute(seconds=0.2)
"""
UNTIL_THERE = """
import os, time
while not os.path.exists({path!r}):
    time.sleep(0.05)
"""


@dataclass
class Scientist:
    """Somebody with a server, and their panel."""

    machine: BrowserMachine
    person: Person

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.person.call(method, f"/user/{self.person.name}/sublet/api/{path}", body)
        return json.loads(answer.body)

    async def refused(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        with pytest.raises(HTTPClientError) as refusal:
            await self.ask(method, path, body)
        return dict(json.loads(str(refusal.value.message)))

    async def until(self, path: str, holds: Callable[[Any], Any]) -> Any:
        ends = time.monotonic() + PATIENCE_S
        while not holds(answer := await self.ask("GET", path)):
            assert time.monotonic() < ends, answer
            await asyncio.sleep(0.3)
        return answer

    @asynccontextmanager
    async def kernel(self) -> AsyncIterator[Kernel]:
        opened = await self.person.open_kernel()
        try:
            yield opened
        finally:
            opened.close()


async def _scientist(machine: BrowserMachine, name: str, size: str) -> Scientist:
    person = Person(machine.places.hub_url, name, machine.settings.password)
    await person.log_in()
    await person.start_server({"size": size})
    return Scientist(machine, person)


@pytest.fixture(scope="module")
def machine() -> Any:
    with browser_machine(QUOTA, speed=20) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ada(machine: BrowserMachine) -> AsyncIterator[Scientist]:
    yield await _scientist(machine, "ada", "small")
    AsyncHTTPClient().close()


def _reported_mib(share: dict[str, Any]) -> int:
    """What the service knows that the one slice holds."""
    report = share["slices"][0]["report"]
    return 0 if report is None else int(report["memory_mib"])


def notebook(*cells: str, parameters: str = "") -> dict[str, Any]:
    made = [new_code_cell(cell) for cell in cells]
    if parameters:
        made.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return dict(new_notebook(cells=made, metadata=kernel))


async def test_a_share_goes_idle_is_lent_given_up_resized_and_comes_back(ada: Scientist) -> None:
    async with ada.kernel() as kernel:
        await kernel.run(HOLD)
        local = await ada.until("local-share", lambda s: s["memory_mib"] > 6 * 1024)
        slice_id = local["slice_id"]
        (process,) = local["processes"]
        assert process["kernel"] == kernel.kernel_id
        assert local["gpu_memory_mib"] == 80 * 1024
        held = {k["kernel_id"]: k for k in await ada.ask("GET", "kernels")}[kernel.kernel_id]
        assert held["memory_mib"] == process["memory_mib"]

        # The service hears of it a moment after the agent.
        share = await ada.until("share", lambda s: _reported_mib(s) > 6 * 1024)
        (group,) = share["quota"]["groups"]
        assert (group["group"], group["limit_mib"]) == ("vision", 45 * 1024)
        (of_h100,) = group["types"]
        assert (of_h100["held"], of_h100["entitled"], of_h100["guaranteed"]) == (0.25, 0.25, 0.25)
        assert share["slices"][0]["rank"]["code"] == "entitled"
        assert {o["size"]: o["allowed"] for o in share["offers"]} == {
            "small": True,
            "large": False,
            "night": False,
        }

        below = await ada.refused("POST", f"slices/{slice_id}/resize", {"memory_mib": 1024})
        assert below["reason"] == "below-held"
        path = f"slices/{slice_id}/resize"
        resized = await ada.ask("POST", path, {"memory_mib": 12 * 1024})
        assert resized["lease"]["memory_mib"] == 12 * 1024
        await ada.until("local-share", lambda s: s["cap_mib"] == 12 * 1024)
        async with ada.kernel() as later:
            printed = await later.run("import os; print(os.environ['SUBLET_MEMORY_MIB'])")
        assert printed.text.strip() == str(12 * 1024)

        enough = ada.machine.home("ada") / "enough"
        running = asyncio.create_task(kernel.run(UNTIL_THERE.format(path=str(enough))))
        await ada.until("share", lambda s: s["slices"][0]["report"]["running_cell"])
        refused = await ada.refused("POST", f"slices/{slice_id}/give-up", {})
        assert "interrupt it" in refused["message"]
        enough.touch()
        await running
        await ada.until("share", lambda s: not s["slices"][0]["report"]["running_cell"])
        await ada.ask("POST", f"slices/{slice_id}/give-up", {})
        await ada.until("local-share", lambda s: not s["active"])
        back = await kernel.run("print(data.sha256() is not None)")
        assert back.text.strip() == "True"

        widget = await kernel.run(
            "from sublet_lab import ShareWidget\nshare = ShareWidget()\n"
            "print(share.children[0].value)\nshare.close()"
        )
        assert "of 12 GiB" in widget.text
        shown = await kernel.run("%sublet")
        assert "group vision: 12 GiB" in shown.text
        # A point is of one moment in ten seconds: which ones these are is chance.
        history = await ada.until(
            f"slices/{slice_id}/history",
            lambda h: max((point["memory_mib"] for point in h["points"]), default=0) > 6 * 1024,
        )
        assert all(point["state"] in ("resident", "suspended") for point in history["points"])


async def test_a_notebook_is_promoted_followed_fails_and_is_run_again(ada: Scientist) -> None:
    go_on = ada.machine.home("ada") / "go-on"
    await ada.person.put_notebook(
        "train.ipynb",
        notebook(
            "import sublet_agent.simulated.client as gpu",
            COMPUTE_UNTIL_THERE.format(path=str(go_on)),
            "print('rate', rate, open('rows.csv').read())",
            "assert rate < 0.5, 'the rate is too high'",
            parameters="rate = 0.1  # how fast it learns",
        ),
    )
    (ada.machine.home("ada") / "rows.csv").write_text("seven")
    found = await ada.ask("GET", "notebooks/inspect?path=train.ipynb")
    assert [(p["name"], p["type"], p["default"]) for p in found["parameters"]] == [
        ("rate", "float", "0.1")
    ]
    assert "rows.csv" in [entry["path"] for entry in found["folder"]["entries"]]

    request = {"notebook": "train.ipynb", "parameters": {"rate": 0.2}, "take_along": ["rows.csv"]}
    forecast = await ada.ask("POST", "jobs/forecast", request)
    assert forecast["allowed"], forecast
    job = await ada.ask("POST", "jobs", request)
    path = f"jobs/{job['job_id']}"
    await ada.until(path, lambda j: j["state"] == "running")
    # An owner's cell has the GPU: the job waits for it, and says so.
    async with ada.kernel() as kernel:
        await kernel.run("import sublet_agent.simulated.client as gpu; gpu.compute(seconds=3)")
    go_on.touch()
    done = await ada.until(path, lambda j: j["ended_at"] is not None)
    assert (done["state"], done["progress"]) == ("done", 1.0), done
    result = await ada.person.get_notebook(done["output_path"])
    assert "rate 0.2 seven" in json.dumps(result)
    log = await ada.ask("GET", f"{path}/log")
    assert "rate 0.2 seven" in log["text"]

    bad = await ada.ask("POST", "jobs", {**request, "parameters": {"rate": 0.9}, "retries": 1})
    failed = await ada.until(f"jobs/{bad['job_id']}", lambda j: j["ended_at"] is not None)
    assert (failed["state"], failed["attempts"]) == ("failed", 2), failed
    assert failed["failure"]["name"] == "AssertionError"
    assert "the rate is too high" in failed["failure"]["traceback"]
    # Nobody computes any more: the slice that is idle is lent to the job for as long as that runs.
    go_on.unlink()
    again = await ada.ask("POST", f"{path}/again", {})
    await ada.until("share", lambda s: s["week"]["gpu_hours"] > 0 and s["week"]["lent_hours"] > 0)
    go_on.touch()
    ended = await ada.until(f"jobs/{again['job_id']}", lambda j: j["ended_at"] is not None)
    assert ended["state"] == "done"
    share = await ada.until("share", lambda s: s["slices"][0]["last_lent"] is not None)
    assert share["slices"][0]["last_lent"]["to"] == "a job of yours"


async def test_two_people_side_by_side_see_nothing_of_each_other(
    machine: BrowserMachine, ada: Scientist
) -> None:
    cleo = await _scientist(machine, "cleo", "night")
    adas = await ada.ask("GET", "share")
    (lease,) = [s["lease"] for s in adas["slices"]]
    seen = json.dumps(await cleo.ask("GET", "share")) + json.dumps(await cleo.ask("GET", "jobs"))
    # Ids are hexadecimal: by chance these letters are in one of them.
    assert not names(seen, "ada")
    assert "train" not in seen
    for method, path, body in (
        ("GET", f"slices/{lease['slice_id']}/history", None),
        ("POST", f"slices/{lease['slice_id']}/give-up", {}),
        ("POST", f"slices/{lease['slice_id']}/resize", {"memory_mib": 1024}),
        ("GET", f"jobs/{(await ada.ask('GET', 'jobs'))[0]['job_id']}", None),
        ("POST", f"jobs/{(await ada.ask('GET', 'jobs'))[0]['job_id']}/again", {}),
    ):
        assert (await cleo.refused(method, path, body))["reason"] == "not-found"
