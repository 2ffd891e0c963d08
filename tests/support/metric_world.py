"""The state of a service without its loops, and what Prometheus reads of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families
from sublet_hub.jobs import changes
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord, StartedProcess
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.budgets import BudgetCollector
from sublet_hub.state.collectors.given_up import GivenUpCollector
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.quota_file import QuotaFile
from sublet_hub.usage.budgets.standings import Budgets
from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import GpuId, GroupName, NodeId, SliceId
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.undelivered import Undelivered
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import GpuReport, Hello, SliceReport, Status
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import a_gpu
from tests.support.ledger_records import a_job_record, a_slice_record
from tests.support.migrated_ledger import migrated_ledger

NODE: Final = NodeId("node-a")
_DOCUMENT: Final = """
    groups:
      lab: {guaranteed: {Simulated H100 80GB: 1}, limit: {Simulated H100 80GB: 2}}
      other: {budget: {hours: 10}}
"""


@dataclass
class MetricWorld:
    """Ledger, fleet, quota document and metrics, with a clock that stands still."""

    ledger: Ledger
    quota_path: Path
    charged: ChargedHourStore
    now: datetime = datetime(2026, 11, 30, 8, tzinfo=UTC)
    sequence: int = 0
    gpus: dict[NodeId, tuple[GpuReport, ...]] = field(default_factory=dict)
    given_up: dict[tuple[str, str], int] = field(default_factory=dict)
    """Notices that reached nobody, by way and code of the reason."""

    def __post_init__(self) -> None:
        """Make the parts, as the assembly does."""
        self.fleet = Fleet(self.ledger, lambda: self.now, "boot")
        self.quota = QuotaFile(self.quota_path, lambda: self.now)
        self.capacity = Capacity(self.quota.document, self.ledger, self.fleet, lambda: self.now)
        self.quota.prepare_by(self.capacity.prepare)
        self.quota.listen(self.capacity.document_changed)
        sources = MetricSources(
            self.ledger, self.fleet, self.capacity, self.quota, lambda: self.now
        )
        self.metrics = ServiceMetrics(sources)
        budgets = Budgets(self.ledger, self.capacity, self.charged, lambda: self.now)
        self.metrics.read_too(BudgetCollector(self.capacity, budgets.of_groups))
        self.metrics.read_too(GivenUpCollector(lambda: self.given_up))

    def apply(self, change: Change) -> None:
        self.ledger.apply(change, self.now)

    def document(self, text: str) -> None:
        self.quota_path.write_text(dedent(text))
        asyncio.run(self.quota.reload())

    def report(
        self, *gpus: GpuReport, node: NodeId = NODE, slices: tuple[SliceReport, ...] = ()
    ) -> None:
        """Let a node's agent report its cards, and the ledger know them."""
        hello = Hello(node=node, boot_id="boot", version="1")
        view = self.fleet.node(node) or self.fleet.connected(hello, 1)
        self.apply(Change(gpus=tuple(_record(gpu, node) for gpu in gpus)))
        self.sequence += 1
        status = Status(epoch=1, sequence=self.sequence, at=self.now, gpus=gpus, slices=slices)
        self.fleet.reported(view, status)
        self.capacity.reported(view)

    def cards(self, count: int, **values: Any) -> None:
        """Let the node have so many cards, ``SIM-0`` and on."""
        self.report(*(a_gpu(f"SIM-{n}", index=n, **values) for n in range(count)))

    def hold(self, slice_id: str, gpu: str = "SIM-0", **values: Any) -> SliceRecord:
        """Hand out a slice: a whole card, where nothing else is said."""
        record = self.ledger.gpus[GpuId(gpu)]
        usable_mib = record.memory_mib - record.margin_mib
        facts = {"memory_mib": usable_mib, "compute_milli": 1000, "created_at": self.now}
        owner = values.pop("owner", "ada")
        held = a_slice_record(slice_id, owner, record, **{**facts, **values})
        self.apply(Change(slices=(held,)))
        return held

    def release(self, slice_id: str) -> None:
        self.apply(Change(released=(SliceId(slice_id),)))

    def pass_time(self, time: timedelta) -> None:
        self.now += time

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All that Prometheus reads, by name and labels."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.metrics.text().decode())
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """One value; ``None``: there is none with exactly these labels."""
        return self.samples().get((name, frozenset(labels.items())))

    def having(self, name: str, **labels: str) -> float:
        """The sum of all values of this name that have these labels, among others."""
        wanted = frozenset(labels.items())
        found = self.samples().items()
        return sum(value for (each, has), value in found if each == name and wanted <= has)


@contextmanager
def metric_world(folder: Path, document: str = "") -> Iterator[MetricWorld]:
    database = migrated_ledger(folder / "ledger.sqlite")
    path = folder / "quota.yaml"
    path.write_text(dedent(document))
    try:
        yield MetricWorld(Ledger(database), path, ChargedHourStore(database))
    finally:
        database.close()


def exposed(folder: Path) -> dict[str, set[str]]:
    """Each metric that the service has by its name in a query, with its labels.

    Of each there is one at least, but of records that cannot be read.
    """
    with metric_world(folder, _DOCUMENT) as world:
        _let_everything_happen(world)
        text = world.metrics.text().decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        found.setdefault(f"{family.name}_total" if family.type == "counter" else family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _let_everything_happen(world: MetricWorld) -> None:
    lab = GroupName("lab")
    world.cards(2, utilisation_percent=50, energy_mj=1000, temperature_c=40)
    held = world.hold("s", group=lab, lent_since=world.now, called_back_since=world.now)
    others = world.hold("s2", group=GroupName("other"), called_back_since=world.now)
    told = slice_event(EventKind.SLICE_STARTED, held, world.now)
    world.apply(Change(slices=(held, others), events=(told,)))
    job = a_job_record("job", "ada", group=lab, submitted_at=world.now)
    world.apply(changes.submitted(job))
    record = world.hold("of-job", "SIM-1", holder=Holder.JOB, job_id=job.job_id, group=lab)
    world.apply(changes.placed(job, record, 1.0, world.now))
    placed, process = world.ledger.live_jobs[job.job_id], StartedProcess("boot", 42, 1.0)
    world.apply(changes.started(placed, record, process, "out.ipynb", world.now))
    ended = a_job_record("ended", "ada", group=lab, submitted_at=world.now)
    world.apply(changes.submitted(ended))
    world.apply(changes.ended(ended, JobMove.CANCEL, world.now, ended.reason))
    world.given_up = {("mail", Undelivered.UNREACHABLE.value): 1}
    metrics = world.metrics
    metrics.refused(Refusal(RefusalReason.NO_ROOM, "full"), Holder.NOTEBOOK, ("lab",))
    metrics.jobs_wait({lab: 1})
    metrics.line.wait((lab,))
    metrics.line.turn(held, timedelta(minutes=1))
    metrics.request("GET", "share", 200, 0.1)
    metrics.decision("slice", 0.001)
    metrics.agent_message("status")
    metrics.loop_failed("jobs")


def _record(gpu: GpuReport, node: NodeId) -> GpuRecord:
    return GpuRecord(
        gpu_id=GpuId(gpu.gpu_id),
        node=node,
        index=gpu.index,
        type=gpu.type,
        memory_mib=gpu.memory_mib,
        margin_mib=gpu.margin_mib,
        simulated=gpu.simulated,
    )
