"""A server that is stopped and started again: its owner's turns go on."""

from datetime import timedelta

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.controller import GpuResidency, ResidencyTools
from sublet_agent.residency.eviction import Eviction
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.state_files.moved_slices import MovedSlices
from sublet_agent.state_files.open_gates import OpenGatesFile
from sublet_quota.residency.snapshot import TurnKind
from sublet_quota.wire.agent_link import Assignments

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import BOOT, GPU
from tests.support.fake_service_link import gpu_assignment, slice_assignment
from tests.support.served_slices import Cell

TURN = timedelta(seconds=60)


class Node:
    """A card, and what the hub service says of it."""

    def __init__(self, folder):
        bench = Bench(folder)
        tools = ResidencyTools(
            moves=bench.tools,
            calls=bench.pool,
            clock=bench.clock,
            record=lambda *_args, **_more: None,
            changed=lambda: None,
            lending=lambda: True,
            eviction=Eviction(bench.table, bench.paused_processes, bench.pool, 1.0),
            open_gates=OpenGatesFile(folder / "open-gates.json"),
        )
        card = bench.device.gpus()[0]
        residency = GpuResidency(ServedGpu(card, bench.device.memory(GPU)), tools)
        moved = MovedSlices(folder / "moved-slices.json", BOOT)
        attribution = Attribution(bench.table)
        self.registry = SliceRegistry(
            {GPU: residency}, attribution, bench.table, ActivitySettings(), moved
        )

    def serve(self, at_s, **owners):
        """The hub service names the slices there are, each with its owner."""
        slices = tuple(
            slice_assignment(name, GPU, 1024, owner=owner, created_at=START)
            for name, owner in owners.items()
        )
        gpus = (gpu_assignment(GPU, turn_s=TURN.total_seconds()),)
        told = Assignments(epoch=1, sequence=1, lending=True, gpus=gpus, slices=slices)
        self.registry.apply(told, START + timedelta(seconds=at_s))

    def has_a_turn(self, name, at_s):
        """A cell comes, and the gate opens."""
        self.find(name).enter_gate(Cell().request, START + timedelta(seconds=at_s))
        self.find(name).judge(*[timedelta(seconds=300)] * 2, *[START + timedelta(seconds=at_s)] * 2)
        self.find(name).open_gate(START + timedelta(seconds=at_s))

    def find(self, name):
        found = self.registry.find(name)
        assert found is not None
        return found[1]

    def kind(self, name):
        return self.find(name).past_turns.next_kind(TURN)


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


@pytest.mark.parametrize("at_once", [False, True], ids=["after a pause", "by the same word"])
def test_a_new_server_goes_on_with_its_owners_turns(node, at_once):
    node.serve(0, a="ada")
    node.has_a_turn("a", 0)
    if not at_once:
        node.serve(20)
    node.serve(40, b="ada", c="ben")
    node.has_a_turn("b", 41)
    node.has_a_turn("c", 41)
    assert node.kind("b") is TurnKind.USUAL
    assert node.kind("c") is TurnKind.FIRST


def test_a_rest_between_two_servers_makes_a_newcomer(node):
    node.serve(0, a="ada")
    node.has_a_turn("a", 0)
    node.serve(20)
    node.serve(90, b="ada")
    node.has_a_turn("b", 90)
    assert node.kind("b") is TurnKind.FIRST


def test_what_a_slice_had_before_is_not_forgotten_when_it_is_told_anew(node):
    node.serve(0, a="ada")
    node.has_a_turn("a", 0)
    node.find("a").begin_suspend(START + timedelta(seconds=10))
    node.serve(20, a="ada")
    assert node.kind("a") is TurnKind.WHOLE
