"""The agent as a device plugin, against a fake kubelet; the real one is in ``tests/kube``."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.device_plugin.grants import grant
from sublet_agent.device_plugin.settings import DevicePluginSettings
from sublet_agent.device_plugin.units import JobRoom, WrongUnitsError, advertise, gpu_of, prefer
from sublet_quota.names.ids import GpuId

from tests.support.agent_world import agent_world
from tests.support.fake_kubelet import FakeKubelet, PodRefusedError, wait_until
from tests.support.kubelet_conformance import GIB, KubeletSuite, Plugin, running_plugin

CARD = GpuId("GPU-0")


@pytest.fixture
def kubelet() -> Iterator[FakeKubelet]:
    # A Unix socket's path may have 107 letters: pytest's own folders can be too deep.
    with tempfile.TemporaryDirectory(prefix="kubelet-") as folder:
        fake = FakeKubelet(Path(folder))
        fake.start()
        try:
            yield fake
        finally:
            fake.stop()


class TestFakeKubelet(KubeletSuite):
    """The whole suite, over the fake."""


@pytest.fixture
def plugin(kubelet: FakeKubelet) -> Iterator[Plugin]:
    with running_plugin(kubelet.folder) as plugin:
        yield plugin


def test_a_plugin_whose_socket_was_deleted_makes_it_anew(
    kubelet: FakeKubelet, plugin: Plugin
) -> None:
    plugin.lends(5 * GIB)
    wait_until(lambda: kubelet.allocatable() == 5)
    kubelet.restart(deletes_sockets=True)
    wait_until(lambda: kubelet.allocatable() == 5)


def test_a_plugin_waits_for_a_kubelet_that_is_not_there_yet(kubelet: FakeKubelet) -> None:
    kubelet.stop()
    (kubelet.folder / "kubelet.sock").unlink(missing_ok=True)
    with running_plugin(kubelet.folder) as plugin:
        plugin.lends(2 * GIB)
        kubelet.start()
        wait_until(lambda: kubelet.allocatable() == 2)


def test_a_plugin_that_is_refused_tries_again(kubelet: FakeKubelet) -> None:
    kubelet.refuses = "not now"
    with running_plugin(kubelet.folder) as plugin:
        plugin.lends(2 * GIB)
        kubelet.refuses = ""
        wait_until(lambda: kubelet.allocatable() == 2)


def test_a_plugin_whose_kubelet_has_left_it_registers_again(kubelet: FakeKubelet) -> None:
    with running_plugin(kubelet.folder, listed_within_s=1.0) as plugin:
        plugin.lends(5 * GIB)
        wait_until(lambda: kubelet.allocatable() == 5)
        kubelet.disconnect()
        wait_until(lambda: kubelet.allocatable() == 5)


def test_a_plugin_that_its_kubelet_takes_and_never_asks_registers_again(
    kubelet: FakeKubelet,
) -> None:
    kubelet.overlooks = 1
    with running_plugin(kubelet.folder, listed_within_s=1.0) as plugin:
        plugin.lends(5 * GIB)
        wait_until(lambda: kubelet.allocatable() == 5)


def test_a_plugin_that_cannot_listen_says_so_once_and_goes_on_trying(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A path that is too long for a Unix socket.
    folder = tmp_path / ("folder-" * 20)
    folder.mkdir()
    (folder / "kubelet.sock").touch()
    with running_plugin(folder):
        wait_until(lambda: "cannot listen" in caplog.text)
        for _ in range(2):
            # Each attempt begins with what is left of the one before.
            (folder / "sublet-lent.sock").touch()
            wait_until(lambda: not (folder / "sublet-lent.sock").exists())
    told = [record for record in caplog.records if "cannot listen" in record.getMessage()]
    assert len(told) == 1


def test_units_of_a_card_that_failed_are_unhealthy(kubelet: FakeKubelet, plugin: Plugin) -> None:
    plugin.lends(0, jobs=(3 * GIB,), closed=True)
    wait_until(lambda: kubelet.unhealthy() == 3)
    assert kubelet.allocatable() == 0


@pytest.mark.parametrize(
    ("room", "units"),
    [
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 0), 0),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, GIB - 1), 0),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 79 * GIB), 79),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 5 * GIB, (100, 1500)), 5 + 1 + 2),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 90 * GIB, ()), 79),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 0, (79 * GIB + 5,)), 79),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 5 * GIB, (40 * GIB, 40 * GIB)), 80),
        (JobRoom(CARD, 80 * GIB, 79 * GIB + 5, 5 * GIB, (2 * GIB,), closed=True), 2),
    ],
    ids=[
        "nothing lendable",
        "less than a unit",
        "a whole card",
        "jobs take whole units",
        "never more than the card has",
        "a job on the whole card has all of its units",
        "but what jobs have is there",
        "closed",
    ],
)
def test_units_are_what_jobs_have_and_one_more_could_have(room: JobRoom, units: int) -> None:
    assert len(advertise([room], GIB)) == units


def test_the_same_room_gives_the_same_units_whatever_the_order() -> None:
    rooms = [JobRoom(GpuId(f"GPU-{n}"), 80 * GIB, 79 * GIB + 5, n * GIB) for n in range(4)]
    assert advertise(rooms, GIB) == advertise(reversed(rooms), GIB)


def test_units_that_a_container_must_have_decide_the_card() -> None:
    available = [f"GPU-0/{n}" for n in range(4)] + [f"GPU-1/{n}" for n in range(9)]
    assert prefer(available, ["GPU-1/7"], 3) == ("GPU-1/7", "GPU-1/0", "GPU-1/1")
    assert prefer(available, ["GPU-0/0", "GPU-1/0"], 3) == ()
    assert prefer(available, [], 10) == ()


@pytest.mark.parametrize("name", ["", "GPU-0", "/1", "GPU-0/x", "GPU-0/-1", "GPU-0/²"])
def test_names_that_are_no_units_are_refused(name: str) -> None:
    with pytest.raises(WrongUnitsError):
        gpu_of([name])


def test_a_card_is_given_by_its_cdi_name_where_that_is_set() -> None:
    settings = DevicePluginSettings(cdi_kind="nvidia.com/gpu")
    given = grant(CARD, 4, 80 * GIB, settings, simulated=False)
    assert given.cdi_devices == ("nvidia.com/gpu=GPU-0",)
    assert "NVIDIA_VISIBLE_DEVICES" not in given.variables


def test_a_simulated_card_needs_no_device_of_the_machine() -> None:
    given = grant(CARD, 4, 80 * GIB, DevicePluginSettings(), simulated=True)
    assert given.cdi_devices == ()
    assert "NVIDIA_VISIBLE_DEVICES" not in given.variables
    assert given.variables["SUBLET_GPU_ID"] == "GPU-0"


def test_a_real_agent_tells_the_kubelet_what_owners_leave_and_takes_it_back(
    tmp_path: Path, kubelet: FakeKubelet
) -> None:
    options = (
        "--SubletAgent.tick_s=0.03",
        "--SubletAgent.device_plugin=True",
        f"--SubletAgent.kubelet_folder={kubelet.folder}",
    )
    with agent_world(tmp_path, *options) as world:
        world.serve(world.notebook("a", 60))
        ada = world.kernel("a")
        ada.enter_and_fill(50, 1)
        wait_until(lambda: kubelet.allocatable() >= 70)
        pod = kubelet.run_pod("job", 70)
        assert pod["SUBLET_GPU_ID"] == world.gpu_id
        world.serve(world.notebook("a", 60), world.job("j", 70))
        world.until(lambda: world.report("j").gate_open)
        world.serve(world.notebook("a", 60), world.job("j", 70), idle_after_s=600)
        ada.enter()
        wait_until(lambda: kubelet.allocatable() == 70)
        with pytest.raises(PodRefusedError):
            kubelet.run_pod("another", 1)
