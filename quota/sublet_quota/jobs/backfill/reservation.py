"""GPUs that are kept for jobs that wait: which, from when on, and who fills in until then.

A job that finds no room has the GPUs kept where it can begin soonest, once the jobs there have
ended: each at the latest when it may run no longer, counting none that makes way for it. A job of
several GPUs has as many kept, of one node. Nothing there stands empty meanwhile: whoever comes
later fills in, and makes way once the GPU is free but for those who fill in. Who finds room only
where others make way for it begins as these are suspended. One who filled in and turns out to be
unable to leave is waited for; on its GPU fills in, from then on, only what ends in time.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.backfill.card_times import CardTimes, OfClass
from sublet_quota.jobs.backfill.jobs_there import NO_END, JobsThere, JobThere, who_makes_way
from sublet_quota.jobs.backfill.kept_gpus import Kept, KeptGpus
from sublet_quota.jobs.backfill.kind_times import KindTimes, times_of_kind
from sublet_quota.jobs.lent_room.card_lists import Entry, entry_of
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import Kinds, LendableRoom
from sublet_quota.jobs.lent_room.several_gpus import by_node
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, SliceId

_MOST_TRIED: Final = 128
"""So many GPUs are looked at one by one for a job where others might make way for it."""

_FEW: Final = 32
"""So many are where somebody fills in, or was placed now, and a job might begin soonest."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The GPUs that are kept for a job, and from when on it can begin there at the latest."""

    gpus: tuple[LendableGpu, ...]
    at: datetime | None
    """``None``: it is not known when the jobs there end."""


@dataclass(frozen=True, slots=True)
class FilledIn:
    """GPUs that are kept for others, some of them at least, on which a job begins all the same."""

    gpus: tuple[LendableGpu, ...]
    for_whom: tuple[JobId, ...]
    """For whom GPUs are kept in whose way it is: it is suspended for them."""


@dataclass(frozen=True, slots=True)
class MadeWay:
    """GPUs on which a job begins as others are suspended for it."""

    gpus: tuple[LendableGpu, ...]
    holds_back: tuple[SliceId, ...]


class Reservations:
    """The GPUs that one plan of the queue keeps."""

    def __init__(self, room: LendableRoom, there: JobsThere) -> None:
        """``room``: that from which the plan gives away."""
        self._room = room
        self._there = there
        self._times = CardTimes(room, there)
        self._classes = sorted({each.priority for jobs in there.on.values() for each in jobs})
        self._passed: defaultdict[JobId, list[GpuId]] = defaultdict(list)
        """The GPUs where somebody fills in for a job."""
        for gpu_id, jobs in there.on.items():
            names = (each.fills_in_for for each in jobs)
            for name in dict.fromkeys(chain.from_iterable(names)):
                self._passed[name].append(gpu_id)
        self._of_kinds: defaultdict[GpuKind, dict[int, KindTimes]] = defaultdict(dict)
        """By kind, and by how many classes are below a job's."""
        self._apart: defaultdict[GpuKind, dict[GpuId, LendableGpu]] = defaultdict(dict)
        """GPUs that are looked at one by one, as a job of this plan was placed there."""
        self._in_vain: set[object] = set()
        """The wishes for which no lower class makes way."""
        self._kept = KeptGpus()

    def note(self, job: WaitingJob, gpu: LendableGpu) -> None:
        """Take in that a job was placed on a GPU."""
        gpu_id, kind = gpu.facts.gpu_id, gpu.facts.kind
        kept = self._kept.find(gpu_id)
        self._times.note(job, gpu)
        if kept is not None:
            # By right it has its place there, whomever the GPU is kept for.
            kept.spare_mib -= job.memory_on(kind)
            self._lends_less(kept)
        elif self._room.lends(gpu):
            self._look_apart(gpu)

    def keep_for(self, job: WaitingJob, kinds: Kinds) -> Reservation | None:
        """Keep the GPUs where a job can begin soonest once jobs there have ended, or ``None``."""
        if job.gpus > 1:
            found = self._soonest_of_several(job, kinds)
        else:
            one = self._soonest(job, kinds)
            found = None if one is None else (one[0], (one[1],))
        if found is None:
            return None
        at, gpus = found
        for gpu in gpus:
            self._keep(job, gpu, at)
        return Reservation(gpus, None if at == NO_END else at)

    def for_whom(self) -> dict[GpuId, WaitingJob]:
        """Return for whom GPUs are kept."""
        return self._kept.for_whom()

    def may_help(self, job: WaitingJob, kinds: Kinds) -> bool:
        """Whether a job might fill in, or others make way for it: what is quickly seen."""
        if self.is_passed(job):
            return True
        for kind in kinds:
            by_way_mib = self._of_kind(kind, job).most_by_way_mib
            if max(self._kept.most_mib(kind), by_way_mib) >= job.memory_on(kind):
                return True
        return False

    def is_passed(self, job: WaitingJob) -> bool:
        """Whether somebody fills in for the very job."""
        return job.job_id in self._passed

    def fill_in(self, job: WaitingJob, kinds: Kinds) -> FilledIn | None:
        """Let a job begin on GPUs that are kept for others, the tightest; ``None``: on none."""
        gpus = self._to_fill(job, kinds) if job.gpus == 1 else self._several_to_fill(job, kinds)
        if not gpus:
            return None
        for_whom: dict[JobId, None] = {}
        for gpu in gpus:
            amount, kept = job.amount_on(gpu.facts.kind), self._kept.find(gpu.facts.gpu_id)
            need_mib = amount.memory_mib
            if kept is None:
                self._room.take(gpu, amount)
                self._forget(gpu)
                continue
            if need_mib > kept.spare_mib:
                for_whom[kept.job.job_id] = None
            else:
                kept.spare_mib -= need_mib
            self._room.take_kept(gpu, need_mib)
            self._lends_less(kept)
        return FilledIn(gpus, tuple(for_whom))

    def _to_fill(self, job: WaitingJob, kinds: Kinds) -> tuple[LendableGpu, ...]:
        """Return the tightest GPU that is kept for others and lends what a job needs meanwhile."""
        found: list[tuple[int, Entry, LendableGpu]] = []
        for kind in kinds:
            need_mib = job.memory_on(kind)
            lend = self._kept.that_lend(kind, need_mib, _MOST_TRIED) if need_mib > 0 else ()
            able = (kept for kept in lend if self._may_fill_in(job, kept, need_mib))
            found += [(kept.entry[0] - need_mib, kept.entry, kept.gpu) for kept in islice(able, 1)]
        return (min(found, key=lambda each: each[:2])[2],) if found else ()

    def _several_to_fill(self, job: WaitingJob, kinds: Kinds) -> tuple[LendableGpu, ...]:
        """Return GPUs of one node that lend what a job needs, of which some are kept for others."""

        def may(gpu: LendableGpu) -> bool:
            need_mib = job.memory_on(gpu.facts.kind)
            kept = self._kept.find(gpu.facts.gpu_id)
            if self._room.left(gpu) < need_mib:
                return False
            if kept is None:
                return self._room.lends(gpu)
            return self._may_fill_in(job, kept, need_mib)

        def turn(gpu: LendableGpu) -> tuple[bool, Entry]:
            is_kept = self._kept.find(gpu.facts.gpu_id) is not None
            return is_kept, entry_of(gpu, self._room.left(gpu))

        nodes = by_node(job, self._room, kinds, may).values()
        choices = [sorted(gpus, key=turn)[: job.gpus] for gpus in nodes]
        best = min(choices, key=lambda gpus: turn(gpus[-1]), default=None)
        return () if best is None else tuple(best)

    def make_way(self, job: WaitingJob, kinds: Kinds) -> MadeWay | None:
        """Return where a job begins as others are suspended for it: so that the least moves."""
        wish = frozenset(kinds), job.memory_mib, job.priority, job.node, job.gpus
        if not self._there.on or (wish in self._in_vain and not self.is_passed(job)):
            return None
        ways: dict[GpuId, tuple[JobThere, ...]] = {}

        def has_way(gpu: LendableGpu) -> bool:
            way = self._way_on(gpu, job) if self._room.lends(gpu) else None
            if way is not None:
                ways[gpu.facts.gpu_id] = way
            return way is not None

        def moved(gpu: LendableGpu) -> tuple[int, Entry]:
            way = ways[gpu.facts.gpu_id]
            return sum(each.memory_mib for each in way), entry_of(gpu, self._room.left(gpu))

        if job.gpus == 1:
            choices = [[gpu] for gpu in self._ways_for(job, kinds) if has_way(gpu)]
        else:
            nodes = by_node(job, self._room, kinds, has_way).values()
            choices = [sorted(gpus, key=moved)[: job.gpus] for gpus in nodes]
        gpus = min(choices, key=lambda each: [moved(gpu) for gpu in reversed(each)], default=None)
        if gpus is None or not any(ways[gpu.facts.gpu_id] for gpu in gpus):
            self._in_vain.add(wish)
            return None
        for gpu in gpus:
            self._forget(gpu)
            self._room.take_all(gpu, job)
        held = (each.slices for gpu in gpus for each in ways[gpu.facts.gpu_id])
        holds_back = dict.fromkeys(chain.from_iterable(held))
        return MadeWay(tuple(gpus), tuple(holds_back))

    def _ways_for(self, job: WaitingJob, kinds: Kinds) -> Iterator[LendableGpu]:
        """Yield the GPUs that may have room for a job once others make way for it."""
        yield from self._where_passed(job, kinds)
        for kind in kinds:
            ways = self._of_kind(kind, job).ways_with(job.memory_on(kind), _MOST_TRIED)
            for entry in ways:
                gpu = self._room.gpu(entry[3])
                if gpu is not None and self._room.lends(gpu) and job.node in {None, entry[1]}:
                    yield gpu

    def _where_passed(self, job: WaitingJob, kinds: Kinds) -> Iterator[LendableGpu]:
        """Yield the GPUs where somebody fills in for the very job."""
        for gpu_id in self._passed.get(job.job_id, ()):
            gpu = self._room.gpu(gpu_id)
            if gpu is None or gpu.facts.kind not in kinds or not self._room.lends(gpu):
                continue
            if job.node in {None, gpu.facts.node}:
                yield gpu

    def _way_on(self, gpu: LendableGpu, job: WaitingJob) -> tuple[JobThere, ...] | None:
        """Return which jobs make way on a GPU so that another has room; ``None``: not enough."""
        need_mib = job.memory_on(gpu.facts.kind)
        lacks_mib = need_mib - self._room.left(gpu)
        if not self._room.has_host_memory(gpu, need_mib):
            return None
        return who_makes_way(self._times.on(gpu), job, lacks_mib)

    def _keep(self, job: WaitingJob, gpu: LendableGpu, at: datetime) -> None:
        need_mib = job.memory_on(gpu.facts.kind)
        spare_mib = self._times.room_by(at, gpu, job) - need_mib
        self._forget(gpu)
        self._room.keep(gpu, job)
        self._kept.add(Kept(job, gpu, at, spare_mib, entry_of(gpu, self._room.left(gpu))))

    def _lends_less(self, kept: Kept) -> None:
        self._kept.now_lends(kept, entry_of(kept.gpu, self._room.left(kept.gpu)))

    def _forget(self, gpu: LendableGpu) -> None:
        """Let a GPU be found for nobody else."""
        kind = gpu.facts.kind
        self._apart[kind].pop(gpu.facts.gpu_id, None)
        for of_class in self._of_kinds[kind].values():
            of_class.drop(gpu.facts.gpu_id)

    def _look_apart(self, gpu: LendableGpu) -> None:
        """Look at a GPU one by one from now on."""
        self._forget(gpu)
        self._apart[gpu.facts.kind][gpu.facts.gpu_id] = gpu

    def _may_fill_in(self, job: WaitingJob, kept: Kept, need_mib: int) -> bool:
        if job.node not in {None, kept.gpu.facts.node}:
            return False
        if not self._room.has_host_memory(kept.gpu, need_mib):
            return False
        stays = any(each.fills_in_for and each.stays for each in self._times.on(kept.gpu))
        return not stays or need_mib <= kept.spare_mib or self._there.end_of(job) <= kept.at

    def _soonest(self, job: WaitingJob, kinds: Kinds) -> tuple[datetime, LendableGpu] | None:
        """Return the GPU on which a job can begin soonest, and when, or ``None``."""
        found: list[tuple[datetime, int, Entry]] = []
        if job.node is not None:
            candidates = self._room.there(job, kinds)
        else:
            for kind in kinds:
                found += self._first_of(job, kind)
            apart = (islice(self._apart[kind].values(), _FEW) for kind in kinds)
            candidates = [*chain.from_iterable(apart), *self._where_passed(job, kinds)]
        able = (self._begins(gpu, job) for gpu in candidates if self._times.has_jobs(gpu))
        found += (each for each in able if each is not None)
        if not found:
            return None
        at, _, entry = min(found)
        gpu_found = self._room.gpu(entry[3])
        return None if gpu_found is None else (at, gpu_found)

    def _first_of(self, job: WaitingJob, kind: GpuKind) -> Iterator[tuple[datetime, int, Entry]]:
        of_kind, need_mib = self._of_kind(kind, job), job.memory_on(kind)
        while need_mib > 0 and (place := of_kind.first.first(need_mib)) is not None:
            at, room_mib, node, index, gpu_id = of_kind.steps[place]
            gpu = self._room.gpu(gpu_id)
            if gpu is None or self._times.room_by(at, gpu, of_kind.of_class) >= need_mib:
                yield at, room_mib - need_mib, (room_mib, node, index, gpu_id)
                return
            # Another GPU of its node was given away since, and host memory with it.
            self._look_apart(gpu)

    def _begins(self, gpu: LendableGpu, job: WaitingJob) -> tuple[datetime, int, Entry] | None:
        """Return when a job can begin on a GPU; ``None``: the end of no job makes room enough."""
        need_mib = job.memory_on(gpu.facts.kind)
        for at, room_mib in self._times.steps(gpu, job):
            if room_mib >= need_mib > 0:
                return at, room_mib - need_mib, entry_of(gpu, room_mib)
        return None

    def _soonest_of_several(
        self, job: WaitingJob, kinds: Kinds
    ) -> tuple[datetime, tuple[LendableGpu, ...]] | None:
        """Return the GPUs of one node on which a job can begin soonest, and when, or ``None``."""
        begins: dict[GpuId, tuple[datetime, int, Entry]] = {}

        def may(gpu: LendableGpu) -> bool:
            found = self._begins(gpu, job) if self._room.lends(gpu) else None
            if found is not None:
                begins[gpu.facts.gpu_id] = found
            return found is not None

        def turn(gpu: LendableGpu) -> tuple[datetime, int, Entry]:
            return begins[gpu.facts.gpu_id]

        nodes = by_node(job, self._room, kinds, may).values()
        choices = [sorted(gpus, key=turn)[: job.gpus] for gpus in nodes]
        chosen = min(choices, key=lambda gpus: turn(gpus[-1]), default=None)
        return None if chosen is None else (turn(chosen[-1])[0], tuple(chosen))

    def _of_kind(self, kind: GpuKind, job: WaitingJob) -> KindTimes:
        """Return when GPUs of a kind lend how much to a job, whoever was passed."""
        known, below = self._of_kinds[kind], bisect_left(self._classes, job.priority)
        if below not in known:
            gpus = self._room.gpus((kind,))
            known[below] = times_of_kind(gpus, self._times, OfClass(job.priority))
        return known[below]
