"""Who asked for what in a simulation, by the names that its record has.

A server that was ended for being idle, and is started anew, has its first name with a ``+`` for
each time.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sublet_quota.closed_loop.asks.asked import AGAIN, Asked, AskedJob, AskedServer
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName


class AskedNames:
    """All that is asked for, by name."""

    def __init__(self, asked: Iterable[Asked], document: QuotaDocument) -> None:
        self._asked: Mapping[str, Asked] = {each.name: each for each in asked}
        self._document = document

    @property
    def all(self) -> Iterable[Asked]:
        """All that is asked for."""
        return self._asked.values()

    def of(self, name: str) -> Asked:
        """Return what is asked for by a name that a record has."""
        return self._asked[name if name in self._asked else name.rstrip(AGAIN)]

    def group_of(self, name: str) -> GroupName | None:
        """Return the group that somebody counts in of whom no group paid: their first one."""
        groups = self._document.groups_of(self.of(name).groups)
        return groups[0] if groups else None

    def servers(self) -> tuple[AskedServer, ...]:
        """Return the servers."""
        return tuple(each for each in self._asked.values() if isinstance(each, AskedServer))

    def jobs(self) -> tuple[AskedJob, ...]:
        """Return the jobs."""
        return tuple(each for each in self._asked.values() if isinstance(each, AskedJob))


class ServerWait:
    """How long one server was waited for."""

    __slots__ = ("granted", "group", "name", "reasons", "since", "until")

    def __init__(self, name: str, since: datetime) -> None:
        self.name = name
        self.since = self.until = since
        self.granted = False
        self.group: GroupName | None = None
        self.reasons: list[str] = []
        """Why it was refused each time."""


LEFT_LINE = "left-line"


def server_waits(record: Record, names: AskedNames) -> tuple[ServerWait, ...]:
    """Return the wait of each server that was asked for, the first one asked for first."""
    waits: dict[str, ServerWait] = {}
    answers = [(each.at, each.name) for each in record.answers]
    in_line = [(each.since, each.name) for each in record.line]
    for at, name in sorted(answers + in_line):
        waits.setdefault(name, ServerWait(name, at))
    for answer in record.answers:
        wait = waits[answer.name]
        wait.until = max(wait.until, answer.at)
        if answer.rank is not None:
            wait.granted, wait.group = True, answer.group
        elif answer.refused is not None:
            wait.reasons.append(answer.refused)
    for left in record.line:
        wait = waits[left.name]
        wait.until = max(wait.until, left.until)
        if left.rank is None:
            wait.reasons.append(LEFT_LINE)
    for wait in waits.values():
        if not wait.granted:
            wait.group = names.group_of(wait.name)
    return tuple(waits.values())
