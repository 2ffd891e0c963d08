"""An owner at her notebook in a pod, and the training jobs that she promotes from it.

The simulated GPU has 6 GiB, of which she has 3 and a job of hers wants 4: they never fit together.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nbformat.v4 import new_code_cell, new_notebook
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person

from tests.support.kube.cells import FILL, TRAIN
from tests.support.kube.processes import wait_for
from tests.support.kube.sublet_on_cluster import SubletOnCluster

WITHIN_S: Final = 240


@dataclass
class Story:
    """An owner at her notebook, and her jobs."""

    sublet: SubletOnCluster
    owner: str
    person: Person
    kernel: Kernel

    @property
    def home(self) -> Path:
        return self.sublet.hub.home(self.owner)

    async def until(
        self, holds: Callable[[], Any], what: str, seen: Callable[[], Any] = lambda: ""
    ) -> Any:
        """Wait for something; failing, tell what is ``seen`` instead."""
        story = self.sublet.story
        described = lambda: f"{what}\n{seen()}\n{story()}"  # noqa: E731
        return await asyncio.to_thread(wait_for, holds, WITHIN_S, described)

    async def until_job(self, job_id: str, holds: Callable[[dict[str, Any]], Any]) -> Any:
        return await asyncio.to_thread(self.sublet.until_job, job_id, holds, WITHIN_S)

    async def submit(self, folder: str) -> str:
        """Promote a notebook in a folder of its own."""
        await self.write(folder)
        return await self.promote(folder)

    async def write(self, folder: str) -> None:
        """Have a notebook in a folder of its own."""
        (self.home / folder).mkdir(mode=0o777)
        (self.home / folder).chmod(0o777)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = dict(new_notebook(cells=[new_code_cell(TRAIN)], metadata=kernel))
        await self.person.put_notebook(f"{folder}/train.ipynb", notebook)

    async def promote(self, folder: str) -> str:
        """Promote the notebook of a folder."""
        request = {"notebook": f"{folder}/train.ipynb", "memory_mib": 4 * 1024}
        job = await self.person.service("POST", "jobs", request)
        return str(job["job_id"])

    @contextmanager
    def without_home(self) -> Iterator[None]:
        """Have her home where no other pod can mount it; her server has it all the time."""
        away = self.home.with_name(f"{self.owner}-away")
        self.home.rename(away)
        try:
            yield
        finally:
            away.rename(self.home)

    def now(self, folder: str) -> dict[str, int]:
        """How far the job is, as it says itself."""
        told = self.home / folder / "now.json"
        return dict(json.loads(told.read_text())) if told.exists() else {"step": 0, "pid": 0}

    async def until_step(self, folder: str, more: int) -> dict[str, int]:
        """Wait until the job has done some more steps."""
        begun = self.now(folder)["step"]
        await self.until(
            lambda: self.now(folder)["step"] >= begun + more, f"{more} more steps than {begun}"
        )
        return self.now(folder)

    async def end(self, job_id: str, folder: str) -> dict[str, Any]:
        """Let the job end; returns it, and what it printed is in its executed notebook."""
        (self.home / folder / "enough").touch()
        done: dict[str, Any] = await self.until_job(job_id, lambda job: job["ended_at"])
        return done

    def slice_state(self, job_id: str) -> str:
        found = self.sublet.job(job_id)["slice"]
        return str(((found or {}).get("report") or {}).get("state"))

    def lent_units(self) -> int:
        return self.sublet.lent_units()


async def begin(sublet: SubletOnCluster, owner: str) -> Story:
    """Start an owner's server, with a kernel that holds bytes of hers on the GPU."""
    sublet.hub.add_user(owner)
    person = sublet.person(owner)
    await asyncio.to_thread(sublet.hub.start_server, owner, size="large")
    kernel = await person.open_kernel()
    told = (await kernel.run(FILL)).value()
    assert told["intact"] is True
    return Story(sublet, owner, person, kernel)
