"""A card's memory limits of control groups, as NVIDIA's driver has them from 615 on.

A limit counts what all processes in a group, and in those below it, have on the card. Where groups
within each other have one each, all hold. With its group a limit is gone.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from sublet_agent.simulated.protocol.errors import OutOfMemoryError

FIRST_DRIVER: Final = 615
"""The first of NVIDIA's drivers that has such limits."""


class Groups(Protocol):
    """The control groups of the machine."""

    def group_number(self, group: str) -> int | None:
        """Return what tells a control group of version 2 from a later one with the same folder.

        ``None``: there is none.
        """
        ...

    def is_in_group(self, pid: int, group: str) -> bool:
        """Whether a process is in a group, or in one below it."""
        ...


class GroupLimits:
    """The limits on one card, each by the full path of its group's folder, in MiB."""

    def __init__(self) -> None:
        self.groups: Groups | None = None
        """The machine's control groups; ``None``: it has none."""
        self._limits: dict[str, int] = {}
        self._numbers: dict[str, int | None] = {}

    def set(self, group: str, limit_mib: int | None) -> None:
        """Let a group have so much; ``None``: no limit of its own."""
        self._limits.pop(group, None)
        if limit_mib is not None:
            self._limits[group] = limit_mib
            self._numbers[group] = None if self.groups is None else self.groups.group_number(group)

    def of(self, group: str) -> tuple[str, int] | None:
        """Return the group nearest above that has a limit, or the group itself, with the limit."""
        self._forget_removed()
        path = group
        while path:
            if path in self._limits:
                return path, self._limits[path]
            path = path.rpartition("/")[0]
        return None

    def used_mib(self, group: str, held: Iterable[tuple[int, int]]) -> int:
        """Return what the processes of a group have. ``held``: all pids, each with its MiB."""
        return sum(mib for pid, mib in held if mib and self._is_in(pid, group))

    def check(self, pid: int, more_mib: int, held: Callable[[], Iterable[tuple[int, int]]]) -> None:
        """Refuse what would be beyond a limit, as the driver does where there is no room."""
        if not self._limits:
            return
        self._forget_removed()
        for group, limit_mib in self._limits.items():
            if not self._is_in(pid, group):
                continue
            used_mib = self.used_mib(group, held())
            if used_mib + more_mib > limit_mib:
                message = (
                    f"out of memory: {more_mib} MiB asked for, {used_mib} MiB are in use of the "
                    f"{limit_mib} MiB that the driver lets {group} have"
                )
                raise OutOfMemoryError(message)

    def allow(self, pid: int, more_mib: int, held: Callable[[], Iterable[tuple[int, int]]]) -> bool:
        """Whether a process may have so much more.

        That a restore counts for a limit is assumed: the driver's manual does not say.
        """
        try:
            self.check(pid, more_mib, held)
        except OutOfMemoryError:
            return False
        return True

    def _is_in(self, pid: int, group: str) -> bool:
        return self.groups is not None and self.groups.is_in_group(pid, group)

    def _forget_removed(self) -> None:
        groups = self.groups
        if groups is None:
            return
        for group in tuple(self._limits):
            if groups.group_number(group) != self._numbers[group]:
                del self._limits[group], self._numbers[group]
