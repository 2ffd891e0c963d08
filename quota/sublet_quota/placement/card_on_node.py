"""The likeliest card of a slice that the cluster's scheduler put on a node."""

from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, SliceId


def gpu_on_node(holdings: Holdings, slice_id: SliceId, node: NodeId) -> GpuId | None:
    """Return the likeliest GPU of a slice that the cluster's scheduler put on ``node``.

    The scheduler does not say which card: until the node's agent has seen the slice's processes,
    it counts where it fits best. Nothing for an unknown slice, or a node without known GPUs.
    """
    holding = holdings.slice(slice_id)
    facts = list(holdings.gpus_on(node))
    if holding is None or not facts:
        return None
    if any(gpu.gpu_id == holding.gpu_id for gpu in facts):
        return holding.gpu_id

    def rank(gpu: GpuFacts) -> tuple[bool, bool, bool, bool, int, int]:
        room = holdings.room(gpu.gpu_id)
        alone = 0 if room is None else room.alone_mib - holding.amount.memory_mib
        shared = 0 if room is None else room.shared_mib - holding.amount.memory_mib
        return (
            holdings.pool_of(gpu.gpu_id) != holding.pool,
            gpu.closed is not None,
            alone < 0,
            shared < 0,
            alone if alone >= 0 else -shared,
            gpu.index,
        )

    return min(facts, key=rank).gpu_id
