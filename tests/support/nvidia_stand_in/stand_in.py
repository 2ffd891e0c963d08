"""The stand-in for NVIDIA's driver, for tests: see README.md beside this file for an example."""

import contextlib
import ctypes
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.simulated.administration import Administration, Truth
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_quota.names.ids import GpuId

from tests.support.nursery import PRELOAD_VARIABLE, NurserySprout, nursery
from tests.support.nvidia_stand_in.behaviours import CallerDies, ComputeMode, Meanwhile
from tests.support.nvidia_stand_in.building import LIBRARIES, library_folder
from tests.support.nvidia_stand_in.door import ANSWER, CONTROL, REQUEST
from tests.support.nvidia_stand_in.nvml_calls import FALLEN_OFF_THE_BUS
from tests.support.nvidia_stand_in.server import gpu_id
from tests.support.simulated_gpus import UNTIL_TOLD_S
from tests.support.tenants import Tenant

__all__ = ["CallerDies", "ComputeMode", "Meanwhile", "NvidiaStandIn", "StandInOptions"]

SOCKET_VARIABLE = "SUBLET_NVIDIA_STAND_IN"
KEPT_VARIABLE = "SUBLET_TEST_BYTES_PER_MIB"
GIB_VARIABLE = "SUBLET_TEST_MIB_PER_GIB"
"""By these ``tests.support.cuda_client`` knows how many bytes of each MiB are kept, and how large a
GiB is."""
_REPOSITORY = Path(__file__).parents[3]
_END_S = 60.0


@dataclass(frozen=True)
class StandInOptions:
    """The cards that a stand-in has."""

    cards: int = 1
    mib_per_gib: int = 1024
    """The size of all that is said in GiB: of 80 GiB a card, half of one a process's context, and
    the GiB of tenants and of speeds. Less makes a small card: images of the real device's
    processes must fit into the machine's own memory."""
    bytes_per_mib: int = 64
    """How many bytes of each MiB are kept."""
    speed: float = 0.0
    """How fast locks and moves are: 1 as on a real card, 0 in no time."""


@dataclass
class NvidiaStandIn:
    """A running stand-in: a server in a process of its own, and libraries that speak to it."""

    folder: Path
    options: StandInOptions
    process: NurserySprout
    _sockets: "TemporaryDirectory[str]"
    _stack: ExitStack = field(default_factory=ExitStack)
    _speaking: threading.Lock = field(default_factory=threading.Lock)
    _line: socket.socket | None = None

    @classmethod
    def start(cls, folder: Path, **options: Any) -> Self:
        """Start one in a folder; with the options of ``StandInOptions``.

        Skips the test where there is no C compiler.
        """
        chosen = StandInOptions(**options)
        library_folder()
        # Sockets where every account may come: a test's own folder lies in one that is closed.
        sockets = TemporaryDirectory(prefix="sublet-nvidia-")
        Path(sockets.name).chmod(0o755)
        said, says = os.pipe()
        process = nursery().start(
            "tests.support.nvidia_stand_in.server",
            [
                f"--socket={sockets.name}/machine.sock",
                f"--door={sockets.name}/driver.sock",
                f"--cards={chosen.cards}",
                f"--mib-per-gib={chosen.mib_per_gib}",
                f"--bytes-per-mib={chosen.bytes_per_mib}",
                f"--speed={chosen.speed}",
            ],
            stdout=says,
        )
        os.close(says)
        with os.fdopen(said) as output:
            assert output.readline() == "ready\n", "the stand-in's server did not start"
        return cls(folder, chosen, process, sockets)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, **options: Any) -> Iterator[Self]:
        """Run one while the block lasts; with the options of ``start``."""
        started = cls.start(folder, **options)
        try:
            yield started
        finally:
            started.close()

    def close(self) -> None:
        """End the tenants and the server."""
        self.end_tenants()
        if self._line is not None:
            self._line.close()
        self.process.terminate()
        self.process.wait(timeout=_END_S)
        self._sockets.cleanup()

    def end_tenants(self) -> None:
        """End the tenants that were started so far."""
        self._stack.pop_all().close()

    # For processes that are to find it

    def environment(self) -> dict[str, str]:
        """Return what a process needs in its environment, at its start, to find this driver."""
        found = os.environ.get("LD_LIBRARY_PATH")
        folders = [str(library_folder()), *([found] if found else [])]
        return {
            "LD_LIBRARY_PATH": ":".join(folders),
            SOCKET_VARIABLE: f"{self._sockets.name}/driver.sock",
            KEPT_VARIABLE: str(self.options.bytes_per_mib),
            GIB_VARIABLE: str(self.options.mib_per_gib),
            PRELOAD_VARIABLE: ":".join(str(library_folder() / each) for each in LIBRARIES),
        }

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Let this process, and those that it starts meanwhile, find this driver.

        The loader reads its path at a process's start, so here the libraries are loaded by their
        paths first; whoever then asks for their names gets these. They stay loaded: without a
        stand-in they answer that there is no driver.
        """
        _load_here()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment().items():
                patch.setenv(name, value)
            yield

    def tenant(
        self, *, uid: int | None = None, cards: str | None = None, **environment: str
    ) -> Tenant:
        """Start a process whose ``gpu`` is ``tests.support.cuda_client``; it ends at the latest
        with the stand-in. ``cards`` is its ``CUDA_VISIBLE_DEVICES``.
        """
        more = {
            **self.environment(),
            "PYTHONPATH": str(_REPOSITORY),
            **({} if cards is None else {"CUDA_VISIBLE_DEVICES": cards}),
            **environment,
        }
        tenant = Tenant.start("tests.support.cuda_client", more, uid=uid)
        self._stack.callback(tenant.close)
        return tenant

    @contextmanager
    def device(self) -> Iterator[NvidiaDevice]:
        """Give the real device, in this process, over this driver."""
        with self.in_this_process():
            helper = DriverHelper(self.folder / "driver-helper")
            made = NvidiaDevice(helper)
            try:
                yield made
            finally:
                made.close()
                helper.stop()

    # What really is

    def gpu_id(self, index: int = 0) -> GpuId:
        return gpu_id(index)

    @property
    def administration(self) -> Administration:
        """The machine behind it: faults of single operations, broken cards, what really is."""
        return Administration(f"{self._sockets.name}/machine.sock")

    def truth(self, *, verify: bool = False) -> Truth:
        """Return what really is, whatever any driver says; ``verify`` looks at all bytes."""
        administration = self.administration
        try:
            return administration.inspect(verify=verify)
        finally:
            administration.close()

    def calls(self, symbol: str | None = None, pid: int | None = None) -> list[dict[str, Any]]:
        """Return the calls that came so far: ``symbol``, the caller's ``pid``, the ``first``
        argument, and ``at`` (monotonic seconds).
        """
        return [
            call
            for call in self._ask("calls")
            if symbol in (None, call["symbol"]) and pid in (None, call["pid"])
        ]

    def forget_calls(self) -> None:
        self._ask("forget_calls")

    # What it does

    def answer(
        self,
        symbol: str,
        code: int,
        *,
        pid: int | None = None,
        card: int | None = None,
        times: int | None = None,
    ) -> None:
        """Let a function answer a code of CUDA's or NVML's, and do nothing.

        ``symbol`` is without ``_v2``. ``pid`` is the target of a checkpoint function, ``card`` the
        index of NVML's; ``times`` of ``None`` is until ``reset``.
        """
        subject = pid if card is None else card + 1
        self._ask("answer", symbol=symbol, code=code, subject=subject, times=times)

    def hold(self, symbol: str, *, pid: int | None = None, times: int | None = None) -> None:
        """Let a function not return until ``release``."""
        self._ask("answer", symbol=symbol, code=None, subject=pid, times=times)

    def release(self) -> None:
        """Let what was held go on, and hold nothing more."""
        self._ask("release")

    def lacks(self, *symbols: str) -> None:
        """Let the driver be one without some functions of CUDA (for processes that start now)."""
        self._ask("switch", hidden=symbols)

    def versions(self, driver: str, cuda: int) -> None:
        """Let the driver call itself ``driver`` ("570.86.15"), and speak CUDA ``cuda`` (12080)."""
        self._ask("switch", driver_version=driver, cuda_version=cuda)

    def while_moving(self, meanwhile: Meanwhile) -> None:
        """Say what get-state answers while an operation is under way."""
        self._ask("switch", meanwhile=meanwhile)

    def when_the_caller_dies(self, then: CallerDies) -> None:
        """Say what becomes of an operation whose caller is killed."""
        self._ask("switch", caller_dies=then)

    def card(self, index: int = 0, **switches: Any) -> None:
        """Change switches of one card: those of ``behaviours.CardSwitches``."""
        self._ask("switch_card", index=index, **switches)

    def report_xid(self, code: int, card: int = 0) -> None:
        """Report an XID of a card. After 79 the card answers "lost" to everything."""
        with contextlib.closing(self.administration) as administration:
            if code == FALLEN_OFF_THE_BUS:
                administration.lose_card(self.gpu_id(card), "XID 79: it has fallen off the bus")
            else:
                administration.report_xid(self.gpu_id(card), code)

    def report_ecc(self, card: int = 0) -> None:
        """Report an uncorrectable memory error of a card."""
        with contextlib.closing(self.administration) as administration:
            administration.report_ecc(self.gpu_id(card))

    def load_profiler(self, tenant: Tenant) -> None:
        """Let a tenant have NVIDIA's profiling library mapped, as ``/proc/PID/maps`` shows it."""
        library = self.folder / "libcupti.so.13"
        library.write_bytes(bytes(4096))
        tenant.run(
            f"import mmap; library = open({str(library)!r}, 'rb'); "
            "profiler = mmap.mmap(library.fileno(), 0, prot=mmap.PROT_READ)"
        )

    def delay(self, kind: OperationKind, pid: int) -> None:
        """Let the next such operation of a process last until ``end_delays``."""
        with contextlib.closing(self.administration) as administration:
            administration.delay(kind, UNTIL_TOLD_S, pid=pid)

    def end_delays(self) -> None:
        """Let go on what ``delay`` holds."""
        with contextlib.closing(self.administration) as administration:
            administration.clear_faults()

    def make_mps_client(self, pid: int) -> None:
        """Let a process that has a context be an MPS client."""
        self._ask("join_mps", pid=pid)

    def reset(self) -> None:
        """Forget what was said with ``answer``, ``hold``, faults and switches."""
        self._ask("reset")

    def until(self, holds: Any, within_s: float = 60.0) -> None:
        """Look again and again until something holds; fail where it does not in time."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)

    def _ask(self, do: str, **with_: Any) -> Any:
        wish = json.dumps({"do": do, "with": with_}).encode()
        with self._speaking:
            if self._line is None:
                self._line = socket.socket(socket.AF_UNIX)
                self._line.connect(f"{self._sockets.name}/driver.sock")
            self._line.sendall(REQUEST.pack(CONTROL.encode(), *[0] * 8, len(wish)) + wish)
            *_, length = ANSWER.unpack(_exactly(self._line, ANSWER.size))
            return json.loads(_exactly(self._line, length))


def _exactly(line: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = line.recv(length - len(received))
        assert piece, "the stand-in's server has ended"
        received += piece
    return bytes(received)


def _load_here() -> None:
    folder = library_folder()
    for library in LIBRARIES:
        try:
            there = ctypes.CDLL(library)
        except OSError:
            ctypes.CDLL(str(folder / library))
        else:
            if not hasattr(there, "sublet_stand_in"):
                pytest.skip(f"this machine has NVIDIA's own {library}, and a process only one")
