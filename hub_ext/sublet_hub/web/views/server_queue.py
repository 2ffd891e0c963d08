"""How a notebook server in line stands, as the API's body."""

from sublet_quota.reasons.server_queue import (
    Expected,
    ExpectedFrom,
    WaitFacts,
    expected_words,
    wait_words,
)
from sublet_quota.reasons.shared_clauses import USERS_WITHOUT_GROUP
from sublet_quota.server_queue.waits import QueueWait as Wait
from sublet_quota.wire.server_queue import QueueWait

from sublet_hub.ledger.queued_servers import QueueEntry
from sublet_hub.slices.server_queue import ServerQueue

_MOST_GROUPS = 1000


def wait_body(line: ServerQueue, wait: Wait) -> QueueWait:
    """Return how one stands."""
    until = line.until(wait.server.since)
    why = "" if wait.why is None else wait.why.message
    facts = WaitFacts(wait.place, wait.before, wait.expected, until, why)
    groups = () if wait.why is None else wait.why.waits_for
    return QueueWait(
        owner=wait.server.owner,
        server=wait.server.server,
        size=wait.server.wish.size,
        title=line.title_of(wait.server.wish.size),
        pool=wait.pool,
        group=wait.group,
        since=wait.server.since,
        place=wait.place,
        before=wait.before,
        expected_at=wait.expected.at,
        expected_why=expected_words(wait.expected),
        waits_for=tuple(group or USERS_WITHOUT_GROUP for group in groups[:_MOST_GROUPS]),
        message=wait_words(facts),
        until=until,
    )


async def wait_of_entry(line: ServerQueue, entry: QueueEntry) -> QueueWait:
    """Return how a server stands that is in line, or whose turn has come just now."""
    found = await line.standings.one(entry)
    if found is not None:
        return wait_body(line, found)
    expected, until = Expected(None, ExpectedFrom.TURN_NOW), line.until(entry.since)
    asked = entry.request
    return QueueWait(
        owner=entry.owner,
        server=entry.server,
        size=asked.get("size"),
        title=line.title_of(asked.get("size")),
        pool=asked.get("pool") or line.default_pool,
        group=asked.get("group"),
        since=entry.since,
        place=1,
        before=0,
        expected_at=None,
        expected_why=expected_words(expected),
        waits_for=(),
        message=wait_words(WaitFacts(1, 0, expected, until, "")),
        until=until,
    )
