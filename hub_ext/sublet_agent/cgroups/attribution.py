"""The answer to which slice a process belongs to.

The host's control groups decide (THREATS 1): the group that the agent made for a slice, or the pod.
Where they say nothing (there are none, or the process began before it could be moved) the account
does: then a process is never a slice's whose uid is another. Among the slices of one account the
process's environment chooses, and where that says nothing, its descent from the slice's first
process. An account of a person with a single slice needs neither; the accounts of root and of the
agent itself run too much else for that. To a pod's slice only the pod's processes belong. Who keeps
its environment from being read is treated as who has emptied it: it never chooses.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.cgroups.registry import Verdict
from sublet_agent.processes.peer import Peer
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.processes.slice_roots import is_root_of

SLICE_VARIABLE: Final = "SUBLET_SLICE_ID"
_MOST_ANCESTORS: Final = 64


def _groups_say_nothing(_pid: int) -> Verdict | None:
    return None


class Attribution:
    """The slices of this node, and which process is which slice's; safe to ask from any thread.

    Answers are kept by the process's identity: a kernel stays its slice's after its server died,
    and after the slice was released.
    """

    def __init__(
        self,
        table: ProcessTable,
        slice_at: Callable[[int], Verdict | None] = _groups_say_nothing,
    ) -> None:
        """``slice_at`` is what the control groups say of a pid."""
        self._table = table
        self._slice_at = slice_at
        self._shared_uids = frozenset({0, os.geteuid()})
        self._assigned: dict[SliceId, SliceAssignment] = {}
        self._known: dict[ProcessIdentity, SliceId] = {}

    def serve(self, slices: Sequence[SliceAssignment]) -> None:
        """Take over the slices of this node."""
        self._assigned = {SliceId(s.slice_id): s for s in slices}

    def remember(self, identity: ProcessIdentity, slice_id: SliceId) -> None:
        """Keep what the journal knew of a process: that it is this slice's."""
        self._known[identity] = slice_id

    def forget_dead(self) -> None:
        """Drop the answers about processes that are gone."""
        for identity in [i for i in tuple(self._known) if not self._table.is_alive(i)]:
            self._known.pop(identity, None)

    def slice_of_peer(self, peer: Peer) -> SliceId | None:
        """Return the slice of a socket's peer, as long as the process that connected runs.

        ``None`` for a foreign one, and after that process has ended or changed its account: whoever
        has its pid or its connection by then may be somebody else's.
        """
        identity = peer.identity
        if identity is None or self._table.uid(identity.pid) != peer.uid:
            return None
        return self.slice_of(identity) if self._table.is_alive(identity) else None

    def peer_at_once(self, peer: Peer) -> Verdict | None:
        """Return whose a socket's peer is, as ``slice_of_peer`` does, without its memory.

        ``None`` where only that tells.
        """
        identity = peer.identity
        if identity is None or self._table.uid(identity.pid) != peer.uid:
            return Verdict(None)
        return self._at_once(identity) if self._table.is_alive(identity) else Verdict(None)

    def slice_of(self, identity: ProcessIdentity) -> SliceId | None:
        """Return the slice of this process; ``None`` for a foreign one.

        Where its memory has to be read this blocks, for seconds at the worst.
        """
        verdict = self._at_once(identity)
        if verdict is not None:
            return verdict.slice_id
        found = self._find(identity)
        if found is not None:
            self._known[identity] = found
        return found

    def _at_once(self, identity: ProcessIdentity) -> Verdict | None:
        verdict = self._slice_at(identity.pid)
        if verdict is not None and self._table.is_alive(identity):
            return verdict
        known = self._known.get(identity)
        if known is None and self._candidates(identity):
            return None
        return Verdict(known)

    def _candidates(self, identity: ProcessIdentity) -> Sequence[SliceAssignment]:
        uid = self._table.uid(identity.pid)
        candidates = [s for s in self._assigned.values() if s.uid == uid and s.pod_uid is None]
        return candidates if candidates and self._table.is_alive(identity) else ()

    def _find(self, identity: ProcessIdentity) -> SliceId | None:
        uid, candidates = self._table.uid(identity.pid), self._candidates(identity)
        if not candidates:
            return None
        named = self._table.environment(identity.pid, SLICE_VARIABLE)
        if named is not None:
            return next((SliceId(s.slice_id) for s in candidates if s.slice_id == named), None)
        descended = self._by_descent(identity.pid, candidates)
        if descended is not None:
            return descended
        if len(candidates) == 1 and uid not in self._shared_uids:
            return SliceId(candidates[0].slice_id)
        return None

    def _by_descent(self, pid: int, candidates: Sequence[SliceAssignment]) -> SliceId | None:
        roots = {s.root_pid: s for s in candidates if s.root_pid is not None}
        ancestor: int | None = pid
        for _ in range(_MOST_ANCESTORS):
            if ancestor is None or not roots:
                return None
            root = roots.get(ancestor)
            if root is not None and is_root_of(self._table, ancestor, root):
                return SliceId(root.slice_id)
            ancestor = self._table.parent(ancestor)
        return None
