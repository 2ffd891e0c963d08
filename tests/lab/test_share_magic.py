"""What ``%sublet`` prints, in a slice's kernel and outside of one, and whom it asks."""

import asyncio
from pathlib import Path

import pytest
from sublet_lab.share.magic import share_lines
from sublet_lab.share.sources import ShareSources, UnknownShareError
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.wire.kept import tell_cap_kept, tell_share_kept

from tests.support.fake_hub_service import fake_hub_service
from tests.support.fake_tenant_socket import fake_agent
from tests.support.lab_shares import a_share
from tests.support.real_kernels import running_kernel, slice_environment
from tests.support.told_shares import the_service_says


@pytest.mark.asyncio
async def test_sources_ask_the_agent_and_the_service_with_the_processes_own_token(
    tmp_path: Path,
) -> None:
    with fake_hub_service() as service:
        async with fake_agent(tmp_path / "agent.sock") as agent:
            agent.share = a_share()
            service.answer("GET share", the_service_says())
            environment = {
                **slice_environment(agent.path),
                "SUBLET_SERVICE_URL": service.url,
                "JUPYTERHUB_API_TOKEN": "token-canary",
            }
            sources = ShareSources.of_environment(environment)
            assert await asyncio.to_thread(sources.local) == agent.share
            assert await asyncio.to_thread(sources.service) == the_service_says()
            assert service.asked[0].headers["Authorization"] == "Bearer token-canary"
            service.answer("GET share", {"reason": "x", "message": "y", "numbers": {}}, 503)
            with pytest.raises(UnknownShareError, match="503"):
                await asyncio.to_thread(sources.service)
    for missing in (sources.local, sources.service):
        with pytest.raises(UnknownShareError, match="does not answer"):
            await asyncio.to_thread(missing)


def test_outside_of_a_slice_the_reason_is_said() -> None:
    sources = ShareSources.of_environment({"SUBLET_NO_GPU_REASON": "You have no quota."})
    with pytest.raises(UnknownShareError, match="You have no quota"):
        sources.local()
    with pytest.raises(UnknownShareError, match="does not know"):
        sources.service()


def test_lines_are_printed_also_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUBLET_SLICE_ID", "SUBLET_SERVICE_URL", "SUBLET_AGENT_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    assert share_lines() == ["This process has no Sublet slice."]


@pytest.mark.asyncio
async def test_in_a_slices_kernel_the_magic_is_there_and_the_widget_lives_while_a_cell_runs(
    tmp_path: Path,
) -> None:
    async with fake_agent(tmp_path / "agent.sock") as agent:
        agent.share = a_share(
            compute_kept=tell_share_kept(ShareKept.BEING_MEASURED),
            cap_kept=tell_cap_kept((), simulated=True),
        )
        async with running_kernel(slice_environment(agent.path), tmp_path) as kernel:
            printed = await kernel.run("%sublet")
            assert printed.text.startswith("GPU 1 GiB of 40 GiB: active\n")
            assert "\n  compute share 1 GPU: not known yet, as its turns are being measured\n" in (
                printed.text
            )
            assert "\n  memory cap kept by the simulated card's client" in printed.text
            assert (await kernel.run("%sublet now")).text.startswith("%sublet takes no argument")
            made = await kernel.run(
                "from sublet_lab import ShareWidget; share = ShareWidget(); display(share)"
            )
            # Where the gate took its time, that was shown first.
            shown = [each["data"] for each in made.contents("display_data")]
            assert "application/vnd.jupyter.widget-view+json" in shown[-1]
            waiting = kernel.begin(
                "import time\nwhile '2 GiB of' not in share.children[0].value:\n"
                " time.sleep(0.05)\nprint('seen')"
            )
            agent.share = a_share(memory_mib=2048)
            await kernel.finish(waiting)
            assert waiting.text == "seen\n"
            closed = await kernel.run(
                "share.close()\nimport threading\n"
                "[t.join(60) for t in threading.enumerate() if t.name == 'sublet-share']\n"
                "print([t.name for t in threading.enumerate() if t.name == 'sublet-share'])"
            )
            assert closed.text == "[]\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "environment",
    [
        {"SUBLET_NO_GPU_REASON": "You have no quota."},
        {"SUBLET_NO_GPU_REASON": "You have no quota.", "SUBLET_SERVICE_URL": "http://127.0.0.1:9/"},
    ],
)
async def test_without_a_gpu_the_magic_says_why(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with running_kernel(environment, tmp_path) as kernel:
        assert (await kernel.run("%sublet")).text.startswith("You have no quota.\n")


@pytest.mark.asyncio
async def test_outside_of_a_slice_the_magic_comes_by_load_ext(tmp_path: Path) -> None:
    async with running_kernel({}, tmp_path) as kernel:
        missing = await kernel.run("%sublet")
        assert "not found" in missing.warnings
        loaded = await kernel.run("%load_ext sublet_lab\n%sublet")
        assert loaded.text == "This process has no Sublet slice.\n"
