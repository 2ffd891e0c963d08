from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings

from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import FakeHub, HubWorld, fake_hub, hub_world
from tests.support.jobs_on_kube import SETTINGS, JobsStory, RunsAhead, jobs_story


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with fake_hub() as fake:
        yield fake


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub) as running:
        yield running


@pytest_asyncio.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with fake_kube() as fake:
        yield fake


@pytest.fixture
def settings() -> KubeJobSettings:
    """How jobs run in the cluster, where a test does not say otherwise."""
    return SETTINGS


@pytest_asyncio.fixture
async def story(
    tmp_path: Path, hub: FakeHub, kube: FakeKube, settings: KubeJobSettings
) -> AsyncIterator[JobsStory]:
    async with (
        way_into(kube) as api,
        jobs_story(tmp_path, hub, kube, RunsAhead(api, settings)) as told,
    ):
        yield told
