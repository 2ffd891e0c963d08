"""Notebooks looked at before their jobs are taken: nobody's keeps the others waiting."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.errors import NotebookError, TooManyRequestsError
from sublet_hub.host.clock import utc_now
from sublet_hub.jobs.backends.local.notebook_check import inspect_notebook, take_along
from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath
from sublet_hub.jobs.submission import JobSubmission
from sublet_hub.ledger.records import JobRecord
from sublet_hub.state.job_files import JobFiles
from sublet_hub.state.stores import Stores
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.jobs import JobRequest

from tests.support.fake_agent import GIB
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio
REQUEST = JobRequest(notebook="train.ipynb", memory_mib=GIB)
COLLUDING = [f"mallory-{number}" for number in range(12)]
PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")
"""One that is no virtual environment's: those have no packages of a user's."""
FACTS = NotebookFacts(cells=1, kernel_installed=True)


@dataclass
class StuckIntake:
    """Where notebooks of some owners are never through, each at one step."""

    stuck_in_check: bool = False
    stuck_in_copy: bool = False
    stuck: set[str] = field(default_factory=set)
    sees_files: bool = True

    def refuse(self, account: AccountTemplate, request: JobRequest) -> None:
        del account, request

    async def inspect(self, account: AccountTemplate, path: NotebookPath) -> NotebookFacts:
        del path
        await self._hang(account, hangs=self.stuck_in_check)
        return FACTS

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> None:
        del path, job
        await self._hang(account, hangs=self.stuck_in_copy)

    async def _hang(self, account: AccountTemplate, *, hangs: bool) -> None:
        name = Path(account.home).name
        if hangs and name.startswith("mallory"):
            assert name not in self.stuck, "two of an owner's are under way at once"
            self.stuck.add(name)
            await asyncio.get_running_loop().create_future()


@dataclass
class Desk:
    world: HubWorld
    intake: StuckIntake = field(default_factory=StuckIntake)

    def __post_init__(self) -> None:
        service = self.world.service
        files = JobFiles(self.world.folder / "jobs")
        stores = Stores(
            service.ledger,
            service.fleet,
            service.capacity,
            service.accounts,
            files,
            utc_now,
            lambda _: timedelta(),
        )
        self.desk = JobSubmission(stores, self.intake)

    async def submit(self, owner: str, *groups: str) -> object:
        return await self.desk.submit(UserName(owner), groups, REQUEST)

    @asynccontextmanager
    async def hanging(self, owners: list[str]) -> AsyncIterator[None]:
        """While notebooks of these owners are not through."""
        submitting = [asyncio.create_task(self.submit(owner)) for owner in owners]
        await until(lambda: self.intake.stuck == set(owners))
        yield
        for each in submitting:
            each.cancel()
        await asyncio.gather(*submitting, return_exceptions=True)


@pytest_asyncio.fixture
async def desk(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Desk]:
    (tmp_path / "quota.yaml").write_text("groups: {lab: {jobs: {most: 1}}}\n")
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        for owner in (*COLLUDING, "ada"):
            await world.slice_for(owner, memory_mib=GIB, compute_milli=1)
        yield Desk(world)


@pytest.mark.parametrize("at", ["stuck_in_check", "stuck_in_copy"])
async def test_a_few_whose_notebooks_hang_do_not_keep_the_others_from_submitting(
    desk: Desk, at: str
) -> None:
    setattr(desk.intake, at, True)
    async with desk.hanging(COLLUDING[:4]):
        assert isinstance(await asyncio.wait_for(desk.submit("ada"), 60), JobRecord)


async def test_while_as_many_copy_as_may_a_notebook_is_looked_at(desk: Desk) -> None:
    desk.intake.stuck_in_copy = True
    async with desk.hanging(COLLUDING):
        looked = desk.desk.refuse_notebook(UserName("ada"), (), REQUEST)
        assert await asyncio.wait_for(looked, 60) is None


async def test_a_job_whose_files_are_being_copied_counts_in_its_group(desk: Desk) -> None:
    """Members who submit at once had one more each than their group may have."""
    desk.intake.stuck_in_copy = True
    first = asyncio.create_task(desk.submit("mallory-0", "lab"))
    await until(lambda: desk.intake.stuck == {"mallory-0"})
    refused = await desk.submit("ada", "lab")
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.TOO_MANY_JOBS
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert isinstance(await desk.submit("ada", "lab"), JobRecord)


async def test_an_owner_has_one_notebook_looked_at_at_once(desk: Desk) -> None:
    """Each is a process of theirs, of which a few run at once, and the next finds a job more."""
    desk.intake.stuck_in_check = True
    async with desk.hanging(["mallory-0"]):
        with pytest.raises(TooManyRequestsError, match="another notebook of yours"):
            await desk.submit("mallory-0")
        with pytest.raises(TooManyRequestsError, match="another notebook of yours"):
            await desk.desk.refuse_notebook(UserName("mallory-0"), (), REQUEST)
    desk.intake.stuck_in_check = False
    assert isinstance(await desk.submit("mallory-0"), JobRecord)


def marked_by_whatever_starts(python: str, home: Path) -> Path:
    """A file that each process of this Python makes that has its owner's own packages."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    asks = [python, "-m", "site", "--user-site"]
    answer = subprocess.run(asks, env=environment, capture_output=True, text=True, check=False)
    site, mark = Path(answer.stdout.strip()), home / "was-here"
    site.mkdir(parents=True)
    (site / "usercustomize.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    return mark


async def test_what_an_owner_has_installed_for_themselves_has_no_part_in_the_check(
    tmp_path: Path,
) -> None:
    mark = marked_by_whatever_starts(PYTHON, tmp_path)
    account = AccountTemplate(
        uid=os.getuid(),
        gid=os.getgid(),
        home=str(tmp_path),
        notebook_dir=str(tmp_path),
        python=PYTHON,
    )
    path = NotebookPath("train.ipynb", str(tmp_path / "train.ipynb"))
    within = timedelta(seconds=60)
    for looks in (
        inspect_notebook(account, path, within),
        take_along(account, path, (), str(tmp_path / "copy"), within),
    ):
        with pytest.raises(NotebookError):
            await looks
    assert not mark.exists()
