"""The command line and the service together: from a look at a document to one taken back."""

import asyncio
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.hub_world import FakeHub, hub_world
from tests.support.lab_bodies import sublet
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

TYPES = 'gpu_types: {H100: {match: "*H100*"}}\n'
FIRST = TYPES + "groups: {lab: {guaranteed: {H100: 1}}}\n"
SECOND = TYPES + "groups: {lab: {guaranteed: {H100: 1/2}}}\n"


async def test_a_document_is_previewed_applied_looked_up_and_rolled_back(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(tmp_path, FIRST)
    file = tmp_path / "quota.yaml"
    async with hub_world(tmp_path, hub, settings) as world:
        monkeypatch.setenv("SUBLET_SERVICE_URL", world.base)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", world.admin())

        async def run(*arguments: str) -> Result:
            return await asyncio.to_thread(sublet, "quota", *arguments)

        await world.agent()
        await world.slice_for("ada", size="whole", groups=["lab"])
        file.write_text(SECOND)
        shown = (await run("preview", str(file))).output
        assert "Compared with revision 1" in shown
        row = next(line.split() for line in shown.splitlines() if line.startswith("ada "))
        assert row[:4] == ["ada", "lab", "guaranteed", "borrowed"]
        done = await run("apply", str(file), "--reason", "half will do")
        assert (done.exit_code, "Revision 2 is in force" in done.output) == (0, True)
        late = await run("apply", str(file), "--reason", "late", "--expect", "1")
        assert (late.exit_code, "2 by root" in late.output) == (1, True)
        changed = (await run("history", "2")).output.splitlines()[-1].split()
        assert changed == ["groups.lab.guaranteed.H100", "1", "0.5"]
        assert (await run("rollback", "1", "--reason", "it will not")).exit_code == 0
        assert (await run("show")).output.splitlines()[-1] == FIRST.splitlines()[-1]
        assert len((await run("history")).output.splitlines()) == 4
