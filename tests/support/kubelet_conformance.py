"""What the device plugin promises to a kubelet: one suite for the fake kubelet and the real one.

A class that inherits it gives ``kubelet``: how many units the node allocates, pods that ask for
some, and the kubelet's restart.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from sublet_agent.device_plugin.kubelet import DevicePlugin
from sublet_agent.device_plugin.settings import DevicePluginSettings
from sublet_agent.device_plugin.units import JobRoom
from sublet_quota.names.ids import GpuId

from tests.support.fake_kubelet import PodRefusedError, wait_until

GIB = 1024


class Kubelet(Protocol):
    """What the suite needs of a kubelet."""

    folder: Path

    def allocatable(self) -> int: ...
    def run_pod(self, name: str, units: int) -> dict[str, str]: ...
    def end_pod(self, name: str) -> None: ...
    def restart(self) -> None: ...


class Plugin:
    """A plugin that runs in a thread, and the room that it is told of."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.rooms: tuple[JobRoom, ...] = ()
        self.settings = DevicePluginSettings(folder=folder, look_every_s=0.05, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join()

    def lends(self, *mib: int, jobs: tuple[int, ...] = (), closed: bool = False) -> None:
        """Each card has 80 GiB; the jobs are on the first."""
        self.rooms = tuple(
            JobRoom(
                GpuId(f"GPU-{number}"),
                80 * GIB,
                79 * GIB,
                each,
                jobs if number == 0 else (),
                closed=closed,
            )
            for number, each in enumerate(mib)
        )

    def _run(self) -> None:
        plugin = DevicePlugin(self.settings, lambda: self.rooms, simulated=False)
        self._task = self._loop.create_task(plugin.run())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


@contextmanager
def running_plugin(folder: Path, **settings: float) -> Iterator[Plugin]:
    plugin = Plugin(folder, **settings)
    plugin.start()
    try:
        yield plugin
    finally:
        plugin.stop()


class KubeletSuite:
    """The suite."""

    @pytest.fixture
    def plugin(self, kubelet: Kubelet) -> Iterator[Plugin]:
        with running_plugin(kubelet.folder) as plugin:
            yield plugin

    def test_as_many_units_as_there_is_room_for_come_and_go(
        self, kubelet: Kubelet, plugin: Plugin
    ) -> None:
        for room, units in ((4 * GIB, 4), (0, 0), (7 * GIB + 1000, 7), (2 * GIB, 2)):
            plugin.lends(room)
            wait_until(lambda units=units: kubelet.allocatable() == units)

    def test_a_pod_gets_its_card_and_how_much_of_it_is_its_own(
        self, kubelet: Kubelet, plugin: Plugin
    ) -> None:
        plugin.lends(40 * GIB)
        wait_until(lambda: kubelet.allocatable() == 40)
        found = kubelet.run_pod("one", 20)
        assert found["NVIDIA_VISIBLE_DEVICES"] == "GPU-0"
        assert found["SUBLET_GPU_ID"] == "GPU-0"
        # 20 of 80 GiB, less half a GiB for the context.
        assert found["XLA_CLIENT_MEM_FRACTION"] == "0.2437"
        kubelet.end_pod("one")

    def test_all_units_of_a_pod_are_of_one_card_the_tightest_that_has_enough(
        self, kubelet: Kubelet, plugin: Plugin
    ) -> None:
        plugin.lends(30 * GIB, 8 * GIB, 12 * GIB)
        wait_until(lambda: kubelet.allocatable() == 50)
        assert kubelet.run_pod("nine", 9)["SUBLET_GPU_ID"] == "GPU-2"
        assert kubelet.run_pod("eight", 8)["SUBLET_GPU_ID"] == "GPU-1"
        for name in ("nine", "eight"):
            kubelet.end_pod(name)

    def test_a_pod_that_fits_on_no_single_card_is_refused(
        self, kubelet: Kubelet, plugin: Plugin
    ) -> None:
        plugin.lends(3 * GIB, 3 * GIB)
        wait_until(lambda: kubelet.allocatable() == 6)
        with pytest.raises(PodRefusedError, match="a job runs on one"):
            kubelet.run_pod("both", 5)

    def test_what_a_job_has_stays_advertised_when_owners_come_back_and_nothing_more(
        self, kubelet: Kubelet, plugin: Plugin
    ) -> None:
        plugin.lends(10 * GIB)
        wait_until(lambda: kubelet.allocatable() == 10)
        kubelet.run_pod("job", 6)
        plugin.lends(0, jobs=(6 * GIB,))
        wait_until(lambda: kubelet.allocatable() == 6)
        with pytest.raises(PodRefusedError):
            kubelet.run_pod("another", 1)
        kubelet.end_pod("job")

    def test_a_kubelet_that_starts_again_is_told_again(
        self, kubelet: Kubelet, plugin: Plugin
    ) -> None:
        plugin.lends(5 * GIB)
        wait_until(lambda: kubelet.allocatable() == 5)
        kubelet.restart()
        plugin.lends(6 * GIB)
        wait_until(lambda: kubelet.allocatable() == 6, within_s=180)

    def test_a_card_that_failed_takes_no_pods(self, kubelet: Kubelet, plugin: Plugin) -> None:
        plugin.lends(5 * GIB)
        wait_until(lambda: kubelet.allocatable() == 5)
        plugin.lends(0, jobs=(3 * GIB,), closed=True)
        wait_until(lambda: kubelet.allocatable() == 0)
