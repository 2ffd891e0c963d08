"""Limits as jobs meet them: of their payer, of all groups above it, and of their owner.

A limit counts slices and running jobs together; where ``jobs.limit`` is said, that counts the jobs
and nothing else does. What nobody said (the slices that a person may have by default) bounds
notebooks alone. All bind, and the one with least room is named first.

A job that is held back counts nothing, as nothing does that waits; but where its limit has no room
for it beside what runs, nobody who comes later takes what there is.

What a job waits for below a limit, or on a card that is kept for it, is kept from those behind.

For a job that is within its group's guarantee a group's limit counts only what is entitled below
it, slices and jobs; of a limit that counts slices, too, cards are no matter then, as guarantees are
never above limits. Where it starts, the newest borrowed jobs below a limit make way for it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sublet_quota.admission.ended_budgets import budget_that_refuses
from sublet_quota.admission.jobs_below_limits import own_node
from sublet_quota.admission.jobs_held_back import ComingJob, jobs_to_hold_back_for_job
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.payers.kept_limits import KeptLimits
from sublet_quota.jobs.payers.known_limits import KnownLimits, Level
from sublet_quota.jobs.payers.limit_parts import (
    NOTHING,
    NOTHING_HELD,
    Held,
    asked_parts,
    bounds_of,
    part_of,
    passed_bounds,
    room_of,
)
from sublet_quota.jobs.payers.limit_rooms import (
    Asked,
    FreedRoom,
    LimitRoom,
    amounts_of,
    asked_of,
)
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Bound


@dataclass(frozen=True, slots=True)
class MetLimit:
    """A limit as one job meets it."""

    group: GroupName | None
    """Whose limit it is; ``None``: the owner's own."""
    bound: Bound
    line: DocumentLine
    """Where the quota document says it."""
    kept: bool = False
    """Whether it has room, which is kept for jobs that come before."""


class JobLimits:
    """The limits, with what one round has placed so far."""

    def __init__(self, holdings: Holdings, known: KnownLimits | None = None) -> None:
        """``known``: the limits under the document of ``holdings``, from round to round."""
        self._holdings = holdings
        self._known = KnownLimits(holdings.document) if known is None else known
        self._taken: dict[NodeName, Amounts] = {}
        self._taken_by_right: dict[NodeName, Amounts] = {}
        self._kept = KeptLimits()
        self.kept = 0
        """How often something was kept so far."""
        self._kept_at: set[NodeName] = set()
        """Whose limits have room that is kept."""
        self._rooms: dict[Level, LimitRoom] = {}
        """What limits leave, as far as that was asked for since something changed there."""
        self._holds: dict[Level, Held] = {}
        self._asked_at: defaultdict[NodeName, set[Level]] = defaultdict(set)
        self._found: dict[object, MetLimit | None] = {}
        """What was found since something was placed last."""

    def is_passed_by(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> bool:
        """Whether a limit is in the way of a job now."""
        levels = self._known.of(job, by_right=is_by_right(job, gpu_type))
        if not levels:
            return False
        asked, rooms = asked_of(job, kind, gpu_type), self._rooms
        for level in levels:
            room = rooms.get(level)
            if (self._look_at(level) if room is None else room).is_passed_by(asked):
                return True
        return False

    def in_the_way(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> MetLimit | None:
        """Return the limit with least room that the job would pass now; ``None``: it fits in."""
        if not self.is_passed_by(job, kind, gpu_type):
            return None
        by_right, asked = is_by_right(job, gpu_type), asked_of(job, kind, gpu_type)
        key = job.owner, job.hub_groups, job.group, by_right, asked
        if key not in self._found:
            amounts = amounts_of(job, kind, gpu_type)
            levels = self._known.of(job, by_right=by_right)
            full = [each for each in levels if self._room_at(each).is_passed_by(asked)]
            self._found[key] = self._least(full, amounts) or self._kept_from(levels, amounts)
        return self._found[key]

    def may_be_freed(
        self, job: WaitingJob, kind: GpuKind, gpu_type: str, change: FreedRoom
    ) -> bool:
        """Whether no limit may be in the way of a job once a change has freed some room.

        What is ``False`` is so; whether what is ``True`` is so is seen once the change is made.
        """
        asked = asked_of(job, kind, gpu_type)
        for level in self._known.of(job, by_right=is_by_right(job, gpu_type)):
            room = self._room_at(level)
            if not room.is_passed_by(asked):
                continue
            if level.node not in change.nodes or not room.may_do_with(change.freed, asked):
                return False
        return True

    def freed_by(self, former: WaitingJob, to: WaitingJob | None, freed: Asked) -> FreedRoom:
        """Return what is freed where another group pays for a job; ``None``: nobody does."""
        nodes = {level.node for level in self._known.of(former)}
        if to is not None:
            nodes.difference_update(level.node for level in self._known.of(to))
        return FreedRoom(nodes, freed)

    def never_fits(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> MetLimit | None:
        """Return a limit that the job would pass even if nothing else ran."""
        asked = amounts_of(job, kind, gpu_type)
        return _first(self._known.of(job), asked, lambda _: NOTHING_HELD)

    def keep(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> None:
        """Keep room below all limits for a job that waits for a card alone."""
        by_right, asked = is_by_right(job, gpu_type), amounts_of(job, kind, gpu_type)
        for level in self._known.of(job, by_right=by_right):
            for part, more in asked_parts(level, asked):
                self._kept.add(part, more, by_right=by_right)
                self._keeps_at(level.node)

    def keep_full(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> bool:
        """Keep what comes free below full limits, where a job has room once jobs there are done.

        Where its owner's own are full, those alone. Returns whether it has room then.
        """
        by_right, asked = is_by_right(job, gpu_type), amounts_of(job, kind, gpu_type)
        asked_for = asked_of(job, kind, gpu_type)
        met = self.in_the_way(job, kind, gpu_type)
        if not met:
            return True
        node = own_node(job.owner) if met.group is None else NodeName(met.group)
        if self._kept.has((node, met.bound.kind, met.bound.gpu_type), by_right=by_right):
            return True
        full: dict[Level, tuple[Bound, ...]] = {}
        for level in self._known.of(job, by_right=by_right):
            if self._room_beside_slices(level).is_passed_by(asked_for):
                return False
            full[level] = tuple(passed_bounds(level, self._held(level), asked))
        own = [level for level in full if level.group is None and full[level]]
        for level in own or full:
            for bound in full[level]:
                self._kept.add_first(part_of(level, bound), bound.asked, by_right=by_right)
                self._keeps_at(level.node)
        return True

    def met(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> tuple[MetLimit, ...]:
        """Return all limits that the job meets, the least room first."""
        levels = self._known.of(job, by_right=is_by_right(job, gpu_type))
        return _met(levels, amounts_of(job, kind, gpu_type), self._held)

    def lets_in(self, job: WaitingJob) -> bool:
        """Whether no budget of a job's payer that is over refuses what is new."""
        return budget_that_refuses(self._holdings, job.group, job.owner) is None

    def take(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> None:
        """Count a job that was placed."""
        amounts = amounts_of(job, kind, gpu_type)
        self._count(job, amounts, self._taken)
        if is_by_right(job, gpu_type):
            self._count(job, amounts, self._taken_by_right)

    def recharge(self, amounts: Amounts, former: WaitingJob | None, to: WaitingJob | None) -> None:
        """Count a running job no longer at the expense of one payer, and at another's instead."""
        if former is not None:
            self._count(former, NOTHING - amounts, self._taken)
        if to is not None:
            self._count(to, amounts, self._taken)

    def groups_with_limits(self, job: WaitingJob) -> tuple[GroupName, ...]:
        """Return the groups whose limits count a job."""
        return self._known.groups_of(job.group)

    def _least(self, levels: Iterable[Level], asked: Amounts) -> MetLimit | None:
        """Return the limit with least room of those that so much more passes."""
        found = [
            MetLimit(level.group, bound, level.lines[bound.gpu_type or bound.kind.value])
            for level in levels
            for bound in passed_bounds(level, self._held(level), asked)
        ]
        if len(found) < 2:  # noqa: PLR2004 - nothing to compare
            return found[0] if found else None
        return min(found, key=lambda each: each.bound.room / each.bound.asked)

    def _kept_from(self, levels: Iterable[Level], asked: Amounts) -> MetLimit | None:
        """Return a limit of which what is left is kept for jobs before this one, or ``None``."""
        for level in () if self._kept.is_empty else levels:
            for bound in bounds_of(level, self._held(level), asked):
                part = part_of(level, bound)
                left = self._kept.leaves(part, bound.room, by_right=level.by_right)
                if left < bound.asked:
                    line = level.lines[bound.gpu_type or bound.kind.value]
                    return MetLimit(level.group, bound, line, kept=True)
        return None

    def _room_beside_slices(self, level: Level) -> LimitRoom:
        """Return what a limit leaves beside what notebooks have."""
        slices = NOTHING
        if level.by_right and level.group is not None and not level.jobs_alone:
            slices = self._holdings.entitled_inside(level.node)
        elif not level.jobs_alone:
            slices = self._sums(level)[1]
        before = self._known.beside_slices.get(level)
        if before is None or before[0] is not slices:
            room = room_of(level, Held(slices, NOTHING), KeptLimits())
            before = self._known.beside_slices[level] = slices, room
        return before[1]

    def _count(self, job: WaitingJob, amounts: Amounts, taken: dict[NodeName, Amounts]) -> None:
        for level in self._known.of(job):
            taken[level.node] = taken.get(level.node, NOTHING) + amounts
            self._changed(level.node)

    def _keeps_at(self, node: NodeName) -> None:
        self.kept += 1
        self._kept_at.add(node)
        self._changed(node)

    def _changed(self, node: NodeName) -> None:
        """Forget what limits leave of whom something is counted, or kept, from now on."""
        self._found.clear()
        for level in self._asked_at.pop(node, ()):
            self._rooms.pop(level, None)
            self._holds.pop(level, None)

    def _room_at(self, level: Level) -> LimitRoom:
        return self._rooms.get(level) or self._look_at(level)

    def _look_at(self, level: Level) -> LimitRoom:
        node = level.node
        if node in self._taken or node in self._kept_at or (level.by_right and level.group):
            room = room_of(level, self._held(level), self._kept)
        else:
            # Sums that are the same objects are the same: nothing changed there since.
            sums, rooms = self._sums(level), self._known.rooms
            before = rooms.get(level)
            if before is None or any(a is not b for a, b in zip(before[0], sums, strict=True)):
                before = rooms[level] = sums, room_of(level, self._held(level), self._kept)
            room = before[1]
        self._rooms[level] = room
        self._asked_at[node].add(level)
        return room

    def _held(self, level: Level) -> Held:
        held = self._holds.get(level)
        if held is None:
            held = self._holds[level] = self._add_up(level)
            self._asked_at[level.node].add(level)
        return held

    def _add_up(self, level: Level) -> Held:
        node = level.node
        if level.by_right and level.group is not None:
            runs = self._taken_by_right.get(node, NOTHING) + self._holdings.entitled_jobs_held(node)
            if not level.jobs_alone:
                runs += self._holdings.entitled_inside(node)
            return Held(runs, NOTHING)
        jobs, slices, away = self._sums(level)
        runs = self._taken.get(node, NOTHING) + jobs - away
        return Held(runs if level.jobs_alone else runs + slices, away)

    def _sums(self, level: Level) -> tuple[Amounts, Amounts, Amounts]:
        """Return what jobs have, what slices have, and what of the jobs stands still."""
        holdings, node, owner = self._holdings, level.node, level.owner
        if level.group is None:
            held_back = holdings.jobs_held_back_by(owner)
            return holdings.jobs_held_by(owner), holdings.held_by(owner), held_back
        return holdings.jobs_held(node), holdings.held(node), holdings.jobs_held_back(node)


def is_by_right(job: WaitingJob, gpu_type: str) -> bool:
    """Whether a job is wholly within its group's guarantee on cards of a type."""
    return job.rank is Rank.ENTITLED and job.entitled_on == gpu_type


def jobs_that_make_way(
    holdings: Holdings, placement: JobPlacement, entitled: Callable[[], AbstractSet[str]]
) -> tuple[SliceId, ...]:
    """Return the slices of jobs that stand still for one that starts within a guarantee.

    ``entitled``: finds the ids of the jobs that are within one once it is there.
    """
    job, gpu_type = placement.job, holdings.type_of(placement.gpu_id)
    facts = holdings.gpu(placement.gpu_id)
    if facts is None or gpu_type is None or not is_by_right(job, gpu_type):
        return ()
    asked = amounts_of(job, facts.kind, gpu_type)
    changed = ((holdings.slice(slice_id), to) for slice_id, to in placement.recharged)
    recharged = [(holding, to) for holding, to in changed if holding is not None]
    return jobs_to_hold_back_for_job(holdings, ComingJob(job.group, asked, entitled), recharged)


def _first(
    levels: Iterable[Level], asked: Amounts, held: Callable[[Level], Held]
) -> MetLimit | None:
    return next((met for met in _met(levels, asked, held) if not met.bound.allows), None)


def _met(
    levels: Iterable[Level], asked: Amounts, held: Callable[[Level], Held]
) -> tuple[MetLimit, ...]:
    met = [
        MetLimit(level.group, bound, level.lines[bound.gpu_type or bound.kind.value])
        for level in levels
        for bound in bounds_of(level, held(level), asked)
    ]
    return tuple(sorted(met, key=lambda each: each.bound.room / each.bound.asked))
