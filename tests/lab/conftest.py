"""A fake agent and real kernels."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.fake_tenant_socket import FakeAgent, fake_agent
from tests.support.real_kernels import RunningKernel, running_kernel, slice_environment


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    async with fake_agent(tmp_path / "agent.sock") as agent:
        yield agent


@pytest_asyncio.fixture
async def kernel(agent: FakeAgent, tmp_path: Path) -> AsyncIterator[RunningKernel]:
    async with running_kernel(slice_environment(agent.path), tmp_path) as kernel:
        yield kernel
