"""The wire form of a slice's record, for whoever holds the slice."""

from sublet_quota.wire.api import Lease

from sublet_hub.ledger.records import SliceRecord


def lease_of(record: SliceRecord) -> Lease:
    """Return the slice as it is told to whoever holds it."""
    gpu = record.gpu
    return Lease(
        slice_id=record.slice_id,
        owner=record.owner,
        server=record.server,
        holder=record.holder,
        pool=record.pool,
        node=gpu.node,
        gpu_id=gpu.gpu_id,
        gpu_index=gpu.index,
        gpu_type=gpu.type,
        gpu_memory_mib=gpu.memory_mib,
        simulated=gpu.simulated,
        memory_mib=record.memory_mib,
        compute_milli=record.compute_milli,
        size=record.size,
        created_at=record.created_at,
    )
