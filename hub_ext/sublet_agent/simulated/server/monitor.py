"""The readable side of a simulated machine: what NVML tells, and the truth for inspection."""

from collections.abc import Generator, Iterator
from typing import Final

from sublet_agent.simulated.machine.byte_queue import ByteWork
from sublet_agent.simulated.machine.card import Card, DriverState, Figure, SimulatedProcess
from sublet_agent.simulated.machine.group_limits import FIRST_DRIVER
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.memory.buffers import Buffer
from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.protocol.errors import CudaCode, DeviceGoneError, SimulatedGpuError

Facts = dict[str, object]


class Monitor:
    """The answers to questions about a machine, which change nothing."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self._machine: Final = machine

    def gpus(self) -> list[Facts]:
        """Return the cards, those that are gone too."""
        return [
            {
                "gpu_id": card.gpu_id,
                "index": card.index,
                "type": card.type,
                "memory_mib": card.store.total_mib,
                "split": card.setup.split,
            }
            for card in self._machine.cards.values()
        ]

    def memory(self, gpu_id: str) -> Facts:
        """Return the card's memory, in MiB."""
        store = self._answering(gpu_id, Figure.MEMORY).store
        return {
            "total_mib": store.total_mib,
            "used_mib": store.total_mib - store.free_mib,
            "free_mib": store.free_mib,
        }

    def processes(self, gpu_id: str) -> list[Facts]:
        """Return the processes with something on the card; a suspended one has nothing."""
        now, card = self._machine.time_s, self._answering(gpu_id, Figure.PROCESSES)
        told = Figure.UTILISATION not in card.silent
        return [
            {
                "pid": process.pid,
                "memory_mib": None if process.hides_memory else held,
                "utilisation_percent": _percent(process, card, now) if told else None,
                "busy_ms": int(process.usage.total_s * 1000),
                "mps": process.mps,
            }
            for process in card.processes.values()
            if (held := process.mib_on(card))
        ]

    def setup(self, gpu_id: str) -> Facts:
        """Return how the driver and the card are set up."""
        setup = self._machine.card(gpu_id).setup
        return {
            "driver": self._machine.driver_version,
            "persistent": setup.persistent,
            "compute_mode": setup.compute_mode.value,
            "mps": setup.mps,
        }

    def has_limits(self) -> bool:
        """Whether the driver has memory limits of control groups."""
        return int(self._machine.driver_version.partition(".")[0]) >= FIRST_DRIVER

    def check_limits(self, group: str) -> None:
        """Refuse where the driver has no limits, or there is no such group."""
        if not self.has_limits():
            message = f"driver {self._machine.driver_version} has no memory limits of groups"
            raise SimulatedGpuError(message, CudaCode.NOT_SUPPORTED)
        if self._machine.host.group_number(group) is None:
            message = f"there is no control group {group} of version 2"
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)

    def memory_limit(self, gpu_id: str, group: str) -> Facts:
        """Return the limit that holds for a group on a card, if the driver has any."""
        if not self.has_limits():
            return {"has_limits": False, "limit_mib": None, "used_mib": 0}
        card = self._machine.card(gpu_id)
        found = card.limits.of(group)
        used_mib = 0 if found is None else card.limits.used_mib(found[0], card.held())
        limit_mib = None if found is None else found[1]
        return {"has_limits": True, "limit_mib": limit_mib, "used_mib": used_mib}

    def away_mib(self, pid: int) -> int:
        """Return how much of a process is in host memory alone, also while it moves."""
        process = self._machine.processes.get(pid)
        return 0 if process is None else process.away_mib

    def seen_by(self, pid: int) -> list[str] | None:
        """Return the cards that a process sees; ``None``: all, or it uses none."""
        process = self._machine.processes.get(pid)
        return None if process is None or process.sees is None else sorted(process.sees)

    def utilisation_percent(self, gpu_id: str) -> int:
        """Return the share of the last second in which the card was busy."""
        return self._answering(gpu_id, Figure.UTILISATION).usage.percent(self._machine.time_s)

    def energy_mj(self, gpu_id: str) -> int:
        """Return the energy used since the start, in millijoules."""
        return int(self._answering(gpu_id, Figure.ENERGY).energy_j * 1000)

    def temperature_c(self, gpu_id: str) -> int:
        """Return the temperature of the card's GPU, in degrees Celsius."""
        return round(self._answering(gpu_id, Figure.TEMPERATURE).temperature_c)

    def health(self, after: int) -> list[Facts]:
        """Return what went wrong, from number ``after`` on (exclusive)."""
        return [
            {"number": each.number, "gpu_id": each.gpu_id, "kind": each.kind, "detail": each.detail}
            for each in self._machine.health
            if each.number > after
        ]

    def inspect(self, reply: Reply, *, verify: bool) -> None:
        """Reply with everything; with ``verify``, whether each buffer's bytes are intact."""
        if not verify:
            reply.succeed(self._everything({}))
            return
        intact: dict[Buffer, bool | None] = {}

        def steps() -> Iterator[None]:
            for process in list(self._machine.processes.values()):
                for buffer in list(process.buffers.values()):
                    intact[buffer] = yield from _check(process, buffer)
            reply.succeed(self._everything(intact))

        self._machine.bytes.add(ByteWork(steps(), None, reply))

    def _answering(self, gpu_id: str, figure: Figure) -> Card:
        card = self._machine.card(gpu_id)
        if card.gone is not None:
            message = f"the simulated GPU {card.gpu_id} is gone: {card.gone}"
            raise DeviceGoneError(message)
        if figure in card.silent:
            message = f"the simulated GPU {card.gpu_id} does not tell: {figure}"
            raise SimulatedGpuError(message, CudaCode.NOT_SUPPORTED)
        return card

    def _everything(self, intact: dict[Buffer, bool | None]) -> Facts:
        machine = self._machine
        return {
            "simulated": True,
            "time_s": machine.time_s,
            "gpus": [
                {
                    "gpu_id": card.gpu_id,
                    "type": card.type,
                    "total_mib": card.store.total_mib,
                    "free_mib": card.store.free_mib,
                    "gone": card.gone,
                    "energy_mj": int(card.energy_j * 1000),
                }
                for card in machine.cards.values()
            ],
            "processes": [self._process(each, intact) for each in machine.processes.values()],
            "ended": [
                {
                    "pid": each.identity.pid,
                    "start_time": each.identity.start_time,
                    "state": each.state,
                    "lost": each.lost,
                    "how": each.how,
                }
                for each in machine.ended
            ],
        }

    def _process(self, process: SimulatedProcess, intact: dict[Buffer, bool | None]) -> Facts:
        checked = [intact.get(buffer) for buffer in process.buffers.values()]
        damaged = "its bytes were changed" if False in checked else None
        failed = "its card is gone" if process.state is DriverState.FAILED else None
        operation = process.operation
        return {
            "pid": process.pid,
            "uid": process.identity.uid,
            "start_time": process.identity.start_time,
            "gpu_id": process.card.gpu_id,
            "gpu_ids": [card.gpu_id for card in process.cards.values()],
            "state": process.state.value,
            "operation": operation.kind.value if operation is not None else None,
            "leased": process.lease is not None,
            "pending": len(process.pending),
            "held_mib": process.held_mib,
            "on_card_mib": process.on_card_mib,
            "host_mib": process.image_mib,
            "host_limit_mib": process.host_limit_mib,
            "poisoned": process.poisoned is not None,
            "lost": process.poisoned or process.context_lost or failed or damaged,
            "mps": process.mps,
            "managed": process.has_managed_memory,
            "ipc": process.shares_memory,
            "waiting_calls": len(process.waiting),
            "queued_kernels": len(process.work),
            "busy_ms": int(process.usage.total_s * 1000),
            "buffers": [
                {
                    "handle": buffer.handle,
                    "mib": buffer.mib,
                    "on_card": buffer.place is not None,
                    "sha256": buffer.digest,
                    "intact": intact.get(buffer),
                }
                for buffer in process.buffers.values()
            ],
        }


def _percent(process: SimulatedProcess, card: Card, now_s: float) -> int:
    """Return how busy a process keeps a card: its kernels run on its first one."""
    return process.usage.percent(now_s) if process.card is card else 0


def _check(process: SimulatedProcess, buffer: Buffer) -> Generator[None, None, bool | None]:
    """Return whether a buffer's bytes are right; yield while hashing.

    ``None`` where it changed or moved meanwhile, or nothing is known of what it should hold.
    """
    expected, version, place = buffer.digest, buffer.version, buffer.place
    if expected is None:
        return None
    hashing = buffer.hashing()
    while process.operation is None and not process.ended:
        try:
            next(hashing)
        except StopIteration as end:
            unmoved = buffer.version == version and buffer.place is place
            return bool(end.value == expected) if unmoved else None
        yield
    return None
