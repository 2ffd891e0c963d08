"""The functions of NVML, over the machine of the simulated GPUs."""

import asyncio
import re
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sublet_agent.simulated.machine.card import CallerIdentity, Card, SimulatedProcess
from sublet_agent.simulated.machine.machine import HealthRecord, SimulatedMachine

from tests.support.nvidia_stand_in.behaviours import Behaviours, CardSwitches, ComputeMode
from tests.support.nvidia_stand_in.door import Answer, Call, Handler

MIB = 1024 * 1024
UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION = 1, 2, 3, 4
NOT_FOUND, INSUFFICIENT_SIZE, TIMEOUT, GPU_IS_LOST = 6, 7, 10, 15
ECC_EVENT, XID_EVENT = 2, 8
FALLEN_OFF_THE_BUS = 79
_UNKNOWN = 2**64 - 1
_LOOK_EVERY_S = 0.005
_PROCESS = struct.Struct("=I4xQII")
_SAMPLE = struct.Struct("=I4xQIIII")
_XID = re.compile(r"^XID (\d+)")

Numbers = Callable[[Card, CardSwitches], list[int]]


@dataclass
class EventSet:
    """What a program waits for, and how far it has read."""

    read: int
    kinds: dict[int, int] = field(default_factory=dict)
    """The kinds of events by the card's index."""


class NvmlCalls:
    """The functions by their names."""

    def __init__(self, machine: SimulatedMachine, behaviours: Behaviours) -> None:
        self._machine = machine
        self._behaviours = behaviours
        self._cards = list(machine.cards.values())
        self._open: dict[CallerIdentity, int] = {}
        self._sets: list[EventSet] = []
        versions = behaviours
        self.handlers: dict[str, Handler] = {
            "nvmlInit": self._init,
            "nvmlShutdown": self._shutdown,
            "nvmlSystemGetDriverVersion": lambda _, answer: answer.send(
                data=versions.driver_version.encode()
            ),
            "nvmlSystemGetNVMLVersion": lambda _, answer: answer.send(
                data=f"{versions.cuda_version // 1000}.{versions.driver_version}".encode()
            ),
            "nvmlSystemGetCudaDriverVersion": lambda _, answer: answer.send(
                results=[versions.cuda_version]
            ),
            "nvmlDeviceGetCount": self._count,
            "nvmlDeviceGetHandleByIndex": self._by_index,
            "nvmlDeviceGetHandleByUUID": self._by_uuid,
            "nvmlDeviceGetUUID": self._text(lambda card: card.gpu_id),
            "nvmlDeviceGetName": self._text(lambda card: card.type),
            "nvmlDeviceGetIndex": self._numbers(lambda card, _: [card.index]),
            "nvmlDeviceGetMinorNumber": self._numbers(lambda card, _: [card.index]),
            "nvmlDeviceGetPciInfo": self._numbers(lambda card, _: [0x10 + card.index]),
            "nvmlDeviceGetTotalEnergyConsumption": self._numbers(
                lambda card, _: [int(card.energy_j * 1000)]
            ),
            "nvmlDeviceGetTemperature": self._numbers(lambda card, _: [round(card.temperature_c)]),
            "nvmlDeviceGetPowerUsage": self._numbers(lambda *_: [76_000]),
            "nvmlDeviceGetComputeMode": self._numbers(lambda _, s: [int(s.compute_mode)]),
            "nvmlDeviceSetComputeMode": self._setting(self._set_compute_mode),
            "nvmlDeviceGetPersistenceMode": self._numbers(lambda _, s: [int(s.persistence)]),
            "nvmlDeviceSetPersistenceMode": self._setting(self._set_persistence),
            "nvmlDeviceGetMigMode": self._numbers(lambda _, s: [int(s.mig), int(s.mig)]),
            "nvmlDeviceGetMaxMigDeviceCount": self._numbers(lambda *_: [7]),
            "nvmlDeviceGetEccMode": self._numbers(lambda *_: [1, 1]),
            "nvmlDeviceGetCudaComputeCapability": self._numbers(lambda *_: [9, 0]),
            "nvmlDeviceGetUtilizationRates": self._numbers(
                lambda card, _: [card.usage.percent(machine.time_s), 0]
            ),
            "nvmlDeviceGetMemoryInfo": self._numbers(_memory),
            "nvmlDeviceGetComputeRunningProcesses": self._processes(lambda p: not p.mps),
            "nvmlDeviceGetMPSComputeRunningProcesses": self._processes(lambda p: p.mps),
            "nvmlDeviceGetGraphicsRunningProcesses": self._processes(lambda _: False),
            "nvmlDeviceGetProcessUtilization": self._utilisation,
            "nvmlDeviceGetSupportedEventTypes": self._numbers(lambda *_: [0x1FF]),
            "nvmlEventSetCreate": self._create_set,
            "nvmlEventSetFree": lambda _, answer: answer.send(),
            "nvmlDeviceRegisterEvents": self._register,
            "nvmlEventSetWait": self._wait,
        }

    def _init(self, call: Call, answer: Answer) -> None:
        self._open[call.peer] = self._open.get(call.peer, 0) + 1
        answer.send()

    def _shutdown(self, call: Call, answer: Answer) -> None:
        if not self._open.get(call.peer):
            answer.send(UNINITIALIZED)
            return
        self._open[call.peer] -= 1
        answer.send()

    def _count(self, call: Call, answer: Answer) -> None:
        if self._open.get(call.peer):
            answer.send(results=[len(self._cards)])
        else:
            answer.send(UNINITIALIZED)

    def _by_index(self, call: Call, answer: Answer) -> None:
        self._handle(call, answer, [c for c in self._cards if c.index == call.numbers[0]])

    def _by_uuid(self, call: Call, answer: Answer) -> None:
        self._handle(call, answer, [c for c in self._cards if c.gpu_id == call.data.decode()])

    def _handle(self, call: Call, answer: Answer, found: list[Card]) -> None:
        if not self._open.get(call.peer):
            answer.send(UNINITIALIZED)
        elif not found:
            answer.send(INVALID_ARGUMENT)
        elif found[0].gone is not None:
            answer.send(GPU_IS_LOST)
        else:
            answer.send(results=[found[0].index + 1])

    def _card(self, call: Call, handle: int) -> Card | int:
        """Return the card of a handle, or the code that every question about it is answered by."""
        if not self._open.get(call.peer):
            return UNINITIALIZED
        if not 1 <= handle <= len(self._cards):
            return INVALID_ARGUMENT
        card = self._cards[handle - 1]
        return card if card.gone is None else GPU_IS_LOST

    def _text(self, of: Callable[[Card], str]) -> Handler:
        def handler(call: Call, answer: Answer) -> None:
            card = self._card(call, call.numbers[0])
            if isinstance(card, Card):
                answer.send(data=of(card).encode())
            else:
                answer.send(card)

        return handler

    def _numbers(self, of: Numbers) -> Handler:
        def handler(call: Call, answer: Answer) -> None:
            card = self._card(call, call.numbers[0])
            if isinstance(card, Card):
                answer.send(results=of(card, self._behaviours.cards[card.index]))
            else:
                answer.send(card)

        return handler

    def _setting(self, put: Callable[[CardSwitches, int], None]) -> Handler:
        def handler(call: Call, answer: Answer) -> None:
            card = self._card(call, call.numbers[0])
            if not isinstance(card, Card):
                answer.send(card)
            elif call.peer.uid:
                answer.send(NO_PERMISSION)
            else:
                put(self._behaviours.cards[card.index], call.numbers[1])
                answer.send()

        return handler

    @staticmethod
    def _set_compute_mode(switches: CardSwitches, value: int) -> None:
        switches.compute_mode = ComputeMode(value)

    @staticmethod
    def _set_persistence(switches: CardSwitches, value: int) -> None:
        switches.persistence = bool(value)

    def _processes(self, wanted: Callable[[SimulatedProcess], bool]) -> Handler:
        def entries(card: Card, switches: CardSwitches) -> Iterator[bytes]:
            for process in card.processes.values():
                held = process.mib_on(card)
                if held and wanted(process):
                    used = _UNKNOWN if switches.memory_unknown else held * MIB
                    yield _PROCESS.pack(process.pid, used, 2**32 - 1, 2**32 - 1)

        def handler(call: Call, answer: Answer) -> None:
            card, room = self._card(call, call.numbers[0]), call.numbers[2]
            if not isinstance(card, Card):
                answer.send(card)
                return
            found = list(entries(card, self._behaviours.cards[card.index]))
            if len(found) > room:
                answer.send(INSUFFICIENT_SIZE, [len(found)])
            else:
                answer.send(0, [len(found)], b"".join(found))

        return handler

    def _utilisation(self, call: Call, answer: Answer) -> None:
        card, room = self._card(call, call.numbers[0]), call.numbers[2]
        if not isinstance(card, Card):
            answer.send(card)
            return
        now_us = int(time.time() * 1e6)
        found = [
            _SAMPLE.pack(process.pid, now_us, percent, 0, 0, 0)
            for process in card.processes.values()
            if (percent := process.usage.percent(self._machine.time_s))
        ]
        grows = self._behaviours.cards[card.index].utilisation_grows
        if grows and room:
            answer.send(INSUFFICIENT_SIZE, [room + 1])
        elif not found and not grows:
            answer.send(NOT_FOUND)
        elif len(found) > room or not room:
            answer.send(INSUFFICIENT_SIZE, [max(1, len(found))])
        else:
            answer.send(0, [len(found)], b"".join(found))

    def _create_set(self, _: Call, answer: Answer) -> None:
        newest = self._machine.health[-1].number if self._machine.health else 0
        self._sets.append(EventSet(read=newest))
        answer.send(results=[len(self._sets)])

    def _register(self, call: Call, answer: Answer) -> None:
        card = self._card(call, call.numbers[0])
        if not isinstance(card, Card):
            answer.send(card)
            return
        events = self._sets[call.numbers[2] - 1]
        events.kinds[card.index] = events.kinds.get(card.index, 0) | call.numbers[1]
        answer.send()

    def _wait(self, call: Call, answer: Answer) -> None:
        events = self._sets[call.numbers[0] - 1]
        loop = asyncio.get_running_loop()
        until = loop.time() + call.numbers[1] / 1000

        def look() -> None:
            if answer.abandoned:
                return
            found = self._next_event(events)
            if found is not None:
                answer.send(results=found)
            elif self._is_lost(events):
                answer.send(GPU_IS_LOST)
            elif loop.time() >= until:
                answer.send(TIMEOUT)
            else:
                loop.call_later(_LOOK_EVERY_S, look)

        look()

    def _is_lost(self, events: EventSet) -> bool:
        cards = self._machine.cards.values()
        return any(card.gone is not None for card in cards if card.index in events.kinds)

    def _next_event(self, events: EventSet) -> list[int] | None:
        for record in list(self._machine.health):
            if record.number <= events.read:
                continue
            events.read = record.number
            index = self._machine.card(record.gpu_id).index
            kind, data = _event(record)
            if kind & events.kinds.get(index, 0):
                return [index + 1, kind, data]
        return None


def _event(record: HealthRecord) -> tuple[int, int]:
    if record.kind == "ecc":
        return ECC_EVENT, 0
    code = _XID.match(record.detail)
    return XID_EVENT, int(code[1]) if code else FALLEN_OFF_THE_BUS


def _memory(card: Card, _: CardSwitches) -> list[int]:
    total, free = card.store.total_mib * MIB, card.store.free_mib * MIB
    return [total, free, total - free]
