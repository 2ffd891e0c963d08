"""Where an owner's files are in use: a volume that one node alone can mount binds to that node."""

from sublet_quota.ids import NodeId, UserName

from sublet_hub.ledger import Ledger


def node_of_home(ledger: Ledger, owner: UserName) -> NodeId | None:
    """The node of an owner's pods, or the one that their first placed job goes to; else nothing."""
    found = [
        (record.pod is None, record.created_at, record.slice_id, record.gpu.node)
        for record in ledger.slices_of_owner(owner)
        if record.pod is not None or record.is_job
    ]
    return min(found)[3] if found else None
