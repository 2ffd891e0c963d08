"""The state of a service without its loops, and what Prometheus reads of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.quota_file import QuotaFile
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.wire.agent_link import GpuReport, Hello, SliceReport, Status

from tests.support.fake_agent import a_gpu
from tests.support.ledger_records import a_slice_record

NODE = NodeId("node-a")


@dataclass
class MetricWorld:
    """Ledger, fleet, quota document and metrics, with a clock that stands still."""

    ledger: Ledger
    quota_path: Path
    now: datetime = datetime(2026, 11, 30, 8, tzinfo=UTC)
    sequence: int = 0
    gpus: dict[NodeId, tuple[GpuReport, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the parts, as the assembly does."""
        self.fleet = Fleet(self.ledger, lambda: self.now, "boot")
        self.quota = QuotaFile(self.quota_path, lambda: self.now)
        self.capacity = Capacity(self.quota.document, self.ledger, self.fleet, lambda: self.now)
        self.quota.listen(self.capacity.document_changed)
        sources = MetricSources(
            self.ledger, self.fleet, self.capacity, self.quota, lambda: self.now
        )
        self.metrics = ServiceMetrics(sources)

    def apply(self, change: Change) -> None:
        self.ledger.apply(change, self.now)

    def document(self, text: str) -> None:
        self.quota_path.write_text(dedent(text))
        self.quota.reload()

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
        held = a_slice_record(slice_id, "ada", record, **{**facts, **values})
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
    database = Database(f"sqlite:///{folder / 'ledger.sqlite'}")
    database.migrate()
    path = folder / "quota.yaml"
    path.write_text(dedent(document))
    try:
        yield MetricWorld(Ledger(database), path)
    finally:
        database.close()


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
