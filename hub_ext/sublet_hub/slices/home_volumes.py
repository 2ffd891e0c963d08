"""The nodes where owners' files are in use: a volume that one node alone can mount binds to it.

Jobs are bound by whatever else of their owner's runs: they have the home of the server before.
Servers may have a home each, and are bound by what has the same claim. Claims of servers are known
from their requests, since the service began: a server of before binds nobody. A job is taken to
have the one of the owner's newest pod when it was placed, for its pod is made of that.
"""

from sublet_quota.names.home_claim import NO_CLAIM, HomeInUse, claim_of
from sublet_quota.names.ids import NodeId, SliceId, UserName

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.state.owner_accounts import OwnerAccounts


def node_of_home(ledger: Ledger, owner: UserName) -> NodeId | None:
    """Return the node of an owner's pods, or else the one that their first placed slice goes to."""
    found = _in_order(list(ledger.slices_of_owner(owner)))
    return found[0].gpu.node if found else None


class Homes:
    """The claims that the homes of slices are on, as far as was told."""

    def __init__(self, ledger: Ledger, accounts: OwnerAccounts) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._claims: dict[SliceId, str] = {}
        ledger.listen(self._ledger_changed)

    def note(self, slice_id: SliceId, claim: str) -> None:
        """Note that a server's home is on this claim: its pod goes to the node of its slice."""
        self._claims[slice_id] = claim

    def in_use(self, owner: UserName, claim: str, without: SliceId | None) -> HomeInUse | None:
        """Return where a home is in use, but for one slice; ``None`` where it is not."""
        if claim == NO_CLAIM:
            return None
        found = [
            record
            for record in self._ledger.slices_of_owner(owner)
            if record.slice_id != without and self._claim_of(record) == claim
        ]
        if not found:
            return None
        first = _in_order(found)[0]
        return HomeInUse(first.gpu.node, self._words(first))

    def _claim_of(self, record: SliceRecord) -> str | None:
        known = self._claims.get(record.slice_id)
        if known is None and record.job_id is not None:
            known = self._claims[record.slice_id] = self._usual_claim(record.owner)
        return known

    def _usual_claim(self, owner: UserName) -> str:
        account = self._accounts.find(owner)
        pod = None if account is None else account.template.pod
        if account is None or pod is None:
            return NO_CLAIM
        return claim_of(account.template.home, pod.volumes, pod.volume_mounts)

    def _words(self, record: SliceRecord) -> str:
        if record.job_id is not None:
            return f"your job '{self._ledger.jobs[record.job_id].name}'"
        return f"your server '{record.server}'" if record.server else "your server"

    def _ledger_changed(self, change: Change) -> None:
        for record in change.slices:
            if record.job_id is not None and record.slice_id not in self._claims:
                self._claims[record.slice_id] = self._usual_claim(record.owner)
        for slice_id in change.released:
            self._claims.pop(slice_id, None)


def _in_order(records: list[SliceRecord]) -> list[SliceRecord]:
    """Return those first whose pods have the files already, then those that come, by age."""
    return sorted(records, key=lambda r: (r.pod is None, r.created_at, r.slice_id))
