"""Holdings in several sizes, filled by decisions: a tree of groups, cards of three types."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NEEDS_NOTHING, NodeAmount, NodeNeed, NodeRoom
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.node_rooms import AskedBeside, NodeFacts
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.residency.snapshot import Holder

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GPUS_A_NODE = 8
KINDS = (
    GpuKind("NVIDIA H100 80GB HBM3", 81559, 1024),
    GpuKind("NVIDIA A100-SXM4-40GB", 40960, 1024),
    GpuKind("NVIDIA L4", 23034, 1024),
)
USERS = 4000
NEEDS = tuple(
    NodeNeed(NodeAmount(cpus * 1000, gib * 1024), 1000)
    for cpus, gib in ((1, 2), (2, 8), (4, 16), (8, 32))
)
HAS = (NodeRoom(62_000, 1_000_000), NodeRoom(94_000, 500_000), NodeRoom(254_000, 2_000_000))
DEPARTMENT = 24
"""Groups in each department."""
MOST_REFUSED = 30
"""After so many refusals in a row a scene is full."""
PARTS = ("1/4", "1/2", "1", "3/2")

TYPES_AND_SIZES = """
gpu_types: {H100: {match: '*H100*', rate: 4}, A100: {match: '*A100*', rate: 2}, L4: {match: '*L4*'}}
pools:
  - {name: interactive, types: [H100, A100], default: true, lends: {light: 25%}}
  - {name: light, types: [L4], memory_overcommit: 1.5}
sizes:
  - {name: tiny, memory: 1/16, compute: 1/16}
  - {name: quarter, memory: 1/4, compute: 1/4}
  - {name: half, memory: 1/2, compute: 1/2, for: [d0, d1]}
  - {name: light, memory: 4 GiB, compute: 0.1, pool: light}
everyone: {limit: {slices: unlimited, cards: 8, memory: 400 GiB}, own_amounts: true}
groups:
"""


@dataclass(frozen=True)
class Scene:
    """So many slices on so many GPUs, of so many groups."""

    name: str
    slices: int
    gpus: int
    groups: int
    sizes: tuple[str, ...] = ("tiny", "quarter", "half", "light")
    guaranteed: bool = True
    told: bool = False
    """Whether it is told what nodes have and servers ask of them, and what people ask for."""


def document_of(scene: Scene) -> QuotaDocument:
    """Return the scene's quota document: departments, each with groups in it."""
    departments = max(1, scene.groups // (DEPARTMENT + 1))
    each = scene.gpus // 3 // departments // 2 if scene.guaranteed else 0
    text = [TYPES_AND_SIZES if departments > 1 else TYPES_AND_SIZES.replace("[d0, d1]", "[d0]")]
    for n in range(departments):
        groups = ", ".join(
            f"d{n}g{m}: {{weight: {m % 3 + 1}{_guarantee(m, each)}}}" for m in range(DEPARTMENT)
        )
        text.append(
            f"  d{n}: {{weight: {n % 4 + 1}, guaranteed: {{H100: {each}}},"
            f" limit: {{memory: 9 TiB}}, groups: {{{groups}}}}}\n"
        )
    return read_quota_document("".join(text))


def _guarantee(number: int, department: int) -> str:
    """Return what a group is guaranteed: two thirds of the department's, in unequal parts."""
    if department * 3 < DEPARTMENT * 2:
        return f", guaranteed: {{H100: {department}}}" if not number else ""
    return f", guaranteed: {{H100: {PARTS[number % len(PARTS)]}}}"


def gpus_of(scene: Scene) -> list[GpuFacts]:
    """Return the scene's cards, three kinds mixed."""
    return [
        GpuFacts(
            GpuId(f"GPU-{number:05}"),
            NodeId(f"node{number // GPUS_A_NODE}"),
            number % GPUS_A_NODE,
            KINDS[number % 3],
        )
        for number in range(scene.gpus)
    ]


def wish_in(scene: Scene, rng: random.Random) -> RequestedSlice:
    """Return what somebody may ask for: a member of two groups, and of one that nobody knows."""
    owner = rng.randrange(USERS)
    departments = max(1, scene.groups // (DEPARTMENT + 1))
    groups = tuple(f"d{(owner + n) % departments}g{(owner * 7 + n) % DEPARTMENT}" for n in range(2))
    groups = (*groups, "not-in-the-document")
    if rng.random() < 0.2:
        mib = rng.randrange(256, 2048)
        return RequestedSlice(
            f"user{owner}", groups, memory_mib=mib, compute_milli=50, takes=_needs(scene, rng)
        )
    size = rng.choice(scene.sizes)
    return RequestedSlice(f"user{owner}", groups, size, takes=_needs(scene, rng))


def _needs(scene: Scene, rng: random.Random) -> NodeNeed:
    return rng.choice(NEEDS) if scene.told else NEEDS_NOTHING


def tell(held: Holdings, scene: Scene) -> None:
    """Tell what nodes have, and what people ask for."""
    for number in range(-(-scene.gpus // GPUS_A_NODE)):
        held.put_node(NodeFacts(NodeId(f"node{number}"), HAS[number % len(HAS)]))
    held.asked_beside = {
        AskedBeside(size, 1, need): 1 + number
        for number, (size, need) in enumerate(product(scene.sizes, NEEDS))
    }


def holding_of(placement: Placement, name: str, minute: int) -> Holding:
    """Return what a placement takes."""
    return Holding(
        slice_id=SliceId(name),
        owner=placement.owner,
        holder=Holder.NOTEBOOK,
        gpu_id=placement.gpu_id,
        pool=placement.pool,
        amount=placement.amount,
        group=placement.group,
        named=placement.named,
        member_of=placement.member_of,
        since=NOW + timedelta(minutes=minute),
        takes=placement.takes,
    )


def filled(scene: Scene, rng: random.Random) -> Holdings:
    """Return the scene, its slices placed one by one."""
    held = Holdings(document_of(scene), gpus_of(scene))
    if scene.told:
        tell(held, scene)
    attempt = there = refused = 0
    while there < scene.slices and refused < MOST_REFUSED:
        attempt += 1
        placement = decide_slice(held, wish_in(scene, rng))
        if isinstance(placement, Placement):
            hand_out(held, placement, f"slice{attempt}", attempt)
            there, refused = there + 1, 0
        else:
            refused += 1
    return held


def hand_out(held: Holdings, placement: Placement, name: str, minute: int) -> None:
    """Do what a placement says."""
    for slice_id in placement.calls_back:
        held.mark_called_back(slice_id, called_back=True)
    held.put(holding_of(placement, name, minute))


LARGEST = Scene("usual", 10_000, 5000, 1000)
SCENES = (
    Scene("usual", 10, 5, 25),
    Scene("usual", 100, 50, 50),
    Scene("usual", 1000, 500, 100),
    LARGEST,
    Scene("full", 10_000, 770, 1000),
    Scene("no guarantees", 10_000, 5000, 1000, guaranteed=False),
    Scene("nodes told", 10_000, 5000, 1000, told=True),
    Scene("both", 10_000, 5000, 1000, guaranteed=False, told=True),
)
