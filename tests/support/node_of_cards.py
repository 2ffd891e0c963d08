"""A node of several cards, with slices that a test moves between them."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sublet_agent.devices.interface import GpuGoneError
from sublet_quota.reasons.waiting import WaitReason

from tests.support.agent_world import AgentWorld, Kernel, agent_world
from tests.support.fake_service_link import gpu_assignment

_TICK = "--SubletAgent.tick_s=0.05"


class Node:
    """A node of several cards, with slices that a test moves between them."""

    def __init__(self, world: AgentWorld, **pool: Any) -> None:
        self.world = world
        self.cards = [gpu.gpu_id for gpu in world.gpus.device.gpus()]
        fields = {"idle_after_s": 0.5, "turn_s": 0.2, **pool}
        world.service.gpus = tuple(gpu_assignment(card, **fields) for card in self.cards)

    def serve(self, *slices: Any) -> None:
        self.world.service.assign(*slices)
        wanted = {s.slice_id for s in slices}
        self.world.until(lambda: {s.slice_id for s in self.world.status.slices} == wanted)

    def slice(self, name: str, gib: int, card: int = 0, **fields: Any) -> Any:
        found = self.world.notebook(name, gib, **fields)
        return found.model_copy(update={"gpu_id": self.cards[card]})

    def move(self, name: str, card: int | None) -> None:
        """Let the hub say that a slice is to be on another card, or to stay."""
        move_to = None if card is None else self.cards[card]
        self.world.service.assign(
            *(
                s.model_copy(update={"move_to": move_to}) if s.slice_id == name else s
                for s in self.world.service.slices
            )
        )

    def call_off(self, name: str) -> None:
        """Let the hub call a move off: the slice may be there by now."""
        self.world.service.assign(
            *(
                s.model_copy(update={"move_to": None, "perhaps_on": (s.move_to,)})
                if s.slice_id == name
                else s
                for s in self.world.service.slices
            )
        )

    def loses_its_folder(self) -> None:
        """Let the agent end at once, all that it kept be lost, and the next one begin."""
        self.agent_is_killed()
        shutil.rmtree(self.world.agent.folder / "state")
        self.agent_begins()

    def agent_is_killed(self) -> None:
        self.world.agent.kill()
        self.world.gpus.administration.clear_faults()

    def agent_begins(self) -> None:
        self.world.service.status = None
        self.world.agent.start()
        self.world.agent.wait_until_serving()
        # An agent that knows of no slice yet tells who asks at the gate so.
        for each in self.world.service.slices:
            self.world.report(each.slice_id)
        for kernel in self.world.kernels:
            kernel.reconnect()

    def follow(self) -> None:
        """Let the hub take over where the agent says that slices are."""
        told = {s.slice_id: self.world.report(s.slice_id).gpu_id for s in self.world.service.slices}
        self.world.service.assign(
            *(
                s.model_copy(update={"gpu_id": told[s.slice_id], "move_to": None})
                if told[s.slice_id]
                else s
                for s in self.world.service.slices
            )
        )

    def until_on(self, name: str, card: int) -> None:
        self.world.until(lambda: self.world.report(name).gpu_id == self.cards[card])

    def until_bound_for(self, name: str, card: int) -> None:
        """Wait until a slice is to come back on a card, as the agent's next one would know."""
        kept = self.world.agent.folder / "state" / "moved-slices.json"

        def is_bound() -> bool:
            slices = json.loads(kept.read_bytes())["slices"] if kept.exists() else {}
            return slices.get(name, {}).get("gpu") == self.cards[card]

        self.world.until(is_bound)

    def give_up(self, name: str, kernel: Kernel) -> None:
        """Let an owner need a slice no more for now, of which the agent knows what it holds."""
        held = sum(self.held_mib(kernel))
        self.world.until(lambda: self.world.report(name).memory_mib >= held)
        kernel.ends_cell()
        self.world.give_up(name)
        self.world.until_idle(name)

    def waits_for_a_turn(self, name: str) -> bool:
        wait = self.world.report(name).wait
        return wait is not None and wait.reason is WaitReason.TURN

    def is_moved_now(self, kernel: Kernel) -> bool:
        """Whether the driver is at work on a process."""
        process = self.world.gpus.administration.inspect().process(kernel.pid)
        return process is not None and process.operation is not None

    def until_moves_to(self, kernel: Kernel, card: int) -> None:
        """Wait for the middle of a process's move, or its end where the test stood still meanwhile.

        What is delayed may not come to pass at all.
        """
        self.world.until(lambda: self.is_moved_now(kernel) or self.is_on(kernel, card))

    def agent_dies(self) -> None:
        """Kill the agent in the middle of what is delayed, and wait for the next one."""
        hellos = len(self.world.service.hellos)
        os.kill(self.world.agent.child_pid(), signal.SIGKILL)
        self.world.gpus.administration.clear_faults()
        self.world.until(lambda: len(self.world.service.hellos) > hellos)
        self.world.service.status = None
        self.world.agent.wait_until_serving()

    def held_mib(self, kernel: Kernel) -> list[int]:
        """Return what a process really holds, by card, at one moment."""
        held, before = self._look_at(kernel), None
        while held != before:  # it moved between two cards' answers
            held, before = self._look_at(kernel), held
        return held

    def _look_at(self, kernel: Kernel) -> list[int]:
        held = []
        for card in self.cards:
            listed: Any = ()
            with contextlib.suppress(GpuGoneError):
                listed = self.world.gpus.device.processes(card)
            held.append(sum(p.memory_mib for p in listed if p.pid == kernel.pid))
        return held

    def is_on(self, kernel: Kernel, card: int) -> bool:
        return [bool(mib) for mib in self.held_mib(kernel)] == [
            index == card for index in range(len(self.cards))
        ]

    def is_suspended(self, kernel: Kernel) -> bool:
        return self.world.truth(kernel.pid) == "checkpointed"

    def no_stranger(self) -> bool:
        return all(gpu.foreign_processes is None for gpu in self.world.status.gpus)


@contextmanager
def a_node(folder: Path, *options: str, **more: Any) -> Iterator[Node]:
    pool = more.pop("pool", {})
    with agent_world(folder, _TICK, *options, cards=more.pop("cards", 2), **more) as world:
        yield Node(world, **pool)


def suspended_for_another(node: Node) -> tuple[Kernel, str, Kernel, str]:
    """Ada's memory is away, since Ben's whole cap is promised to him; both hold theirs."""
    node.serve(node.slice("a", 60), node.slice("b", 60))
    ada, ben = node.world.kernel("a"), node.world.kernel("b")
    hers, his = filled_one_after_another(node, ada, ben)
    assert node.is_suspended(ada)
    node.world.until_idle("b")
    return ada, hers, ben, his


def filled_one_after_another(node: Node, ada: Kernel, ben: Kernel) -> tuple[str, str]:
    """Ben gets Ada's room once she is idle.

    Else the two take turns, and whose memory is away in the end is anybody's guess; and where his
    turn is over before his memory is there, it finds hers.
    """
    hers = ada.enter_and_fill(50, 1)
    node.world.until_idle("a")
    return hers, ben.enter_and_fill(50, 2)
