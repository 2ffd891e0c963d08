"""The hub service's state in several sizes: ledger, fleet and capacity, filled by decisions."""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import GpuReport, Hello, Status

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GPUS_A_NODE = 8
TYPES = (("NVIDIA H100 80GB HBM3", 81559), ("NVIDIA A100-SXM4-40GB", 40960), ("NVIDIA L4", 23034))
USERS, GROUPS = 4000, 40

QUOTA = """
pools:
  - name: interactive
    gpus: {types: ['*H100*', '*A100*']}
    memory_overcommit: 2
    compute_overcommit: 4
  - {name: small, memory_overcommit: 1.5}
sizes:
  tiny: {memory: 1/16, compute: 1/16}
  quarter: {memory: 1/4, compute: 1/4}
  half: {memory: 1/2, compute: 1/2, groups: [g0, g1, g2, g3]}
  light: {memory: 4 GiB, compute: 0.1, pool: small}
everyone: {most_slices: unlimited, limit: {memory: 400 GiB, compute: 8}}
groups:
""" + "\n".join(
    f"  g{n}: {{limit: {{memory: 9 TiB}}, guaranteed: {{memory: {n % 3} GiB}}}}"
    for n in range(GROUPS)
)


@dataclass(frozen=True)
class Service:
    """What the hub service keeps in memory."""

    ledger: Ledger
    capacity: Capacity


@dataclass(frozen=True)
class Scene:
    """So many slices on so many GPUs, of one kind of crowding."""

    name: str
    slices: int
    gpus: int
    quota: str = QUOTA
    sizes: tuple[str, ...] = ("tiny", "quarter", "half", "light")
    only_type: int | None = None


def wish(rng: random.Random, sizes: tuple[str, ...]) -> RequestedSlice:
    """Return what somebody may ask for."""
    owner, group = f"user{rng.randrange(USERS)}", rng.randrange(GROUPS)
    groups = (f"g{group}", f"g{(group * 7 + 1) % GROUPS}", "not-in-the-document")
    if rng.random() < 0.2:
        return RequestedSlice(owner, groups, memory_mib=rng.randrange(256, 2048), compute_milli=50)
    return RequestedSlice(owner, groups, rng.choice(sizes))


def make_gpus(scene: Scene) -> list[GpuRecord]:
    """Return the scene's cards, three kinds mixed."""
    records = []
    for number in range(scene.gpus):
        kind = TYPES[number % 3 if scene.only_type is None else scene.only_type]
        records.append(
            GpuRecord(
                gpu_id=GpuId(f"GPU-{number:05}"),
                node=NodeId(f"node{number // GPUS_A_NODE}"),
                index=number % GPUS_A_NODE,
                type=kind[0],
                memory_mib=kind[1],
                margin_mib=1024,
                simulated=False,
            )
        )
    return records


def record_of(placement: Placement, name: str, gpu: GpuRecord) -> SliceRecord:
    """Return the ledger's record of a slice."""
    return SliceRecord(
        slice_id=SliceId(name),
        holder=Holder.NOTEBOOK,
        owner=placement.owner,
        groups=placement.groups,
        server=name,
        job_id=None,
        size=placement.size,
        pool=placement.pool,
        gpu=gpu,
        memory_mib=placement.amount.memory_mib,
        compute_milli=placement.amount.compute_milli,
        uid=1000,
        created_at=NOW,
    )


def holding_of(placement: Placement, name: str) -> Holding:
    """Return what a placement takes."""
    return Holding(
        slice_id=SliceId(name),
        owner=placement.owner,
        holder=Holder.NOTEBOOK,
        gpu_id=placement.gpu_id,
        pool=placement.pool,
        amount=placement.amount,
        groups=placement.groups,
    )


def fill(scene: Scene, document: QuotaDocument, rng: random.Random) -> tuple[Change, Change]:
    """Return the cards, and the slices that were placed on them one by one."""
    gpus = {gpu.gpu_id: gpu for gpu in make_gpus(scene)}
    held = Holdings(document, (facts_of(gpu) for gpu in gpus.values()))
    records: list[SliceRecord] = []
    for attempt in range(scene.slices * 20):
        if len(records) == scene.slices:
            break
        placement = decide_slice(held, wish(rng, scene.sizes))
        if isinstance(placement, Placement):
            name = f"slice{attempt}"
            held.put(holding_of(placement, name))
            records.append(record_of(placement, name, gpus[placement.gpu_id]))
    return Change(gpus=tuple(gpus.values())), Change(slices=tuple(records))


def facts_of(gpu: GpuRecord) -> GpuFacts:
    """Return what placement sees of a card."""
    return GpuFacts(
        gpu.gpu_id, gpu.node, gpu.index, GpuKind(gpu.type, gpu.memory_mib, gpu.margin_mib)
    )


def start_service(scene: Scene, folder: Path, rng: random.Random) -> Service:
    """Return the service's state, filled as the service fills it."""
    document = read_quota_document(scene.quota)
    database = Database(f"sqlite:///{folder / 'ledger.sqlite'}")
    database.migrate()
    ledger = Ledger(database)
    fleet = Fleet(ledger, lambda: NOW, "boot")
    gpus, slices = fill(scene, document, rng)
    ledger.apply(gpus, NOW)
    ledger.apply(slices, NOW)
    by_node: defaultdict[NodeId, list[GpuRecord]] = defaultdict(list)
    for gpu in gpus.gpus:
        by_node[gpu.node].append(gpu)
    for node, records in by_node.items():
        view = fleet.connected(Hello(node=node, boot_id="boot", version="0", nonce="0" * 32), 1)
        reports = tuple(
            GpuReport(
                gpu_id=gpu.gpu_id,
                index=gpu.index,
                type=gpu.type,
                simulated=False,
                memory_mib=gpu.memory_mib,
                margin_mib=gpu.margin_mib,
            )
            for gpu in records
        )
        fleet.reported(view, Status(epoch=1, sequence=0, at=NOW, gpus=reports, slices=()))
    return Service(ledger, Capacity(document, ledger, fleet))


SPENT = QUOTA.replace("compute_overcommit: 4", "compute_overcommit: 1")
LARGEST = Scene("usual", 10_000, 5000)
SCENES = (
    Scene("usual", 10, 5),
    Scene("usual", 100, 50),
    Scene("usual", 1000, 500),
    LARGEST,
    Scene("full", 10_000, 770),
    Scene("compute spent", 10_000, 5000, SPENT.replace("1/16, compute: 1/16", "1/16, compute: 1/2"),
          ("tiny",), 0),
)  # fmt: skip
