"""The slices by card, by owner, by who pays for them: what is read of all slices."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import merge

from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.placed_slices import PlacedSlices
from sublet_quota.names.ids import GpuId, GroupName, SliceId, UserName


class SliceLists:
    """Slices in lists that are kept as slices change: nobody has to look at all of them."""

    _placed: PlacedSlices

    def slice(self, slice_id: SliceId) -> Holding | None:
        """Return one slice, or ``None``."""
        return self._placed.all.get(slice_id)

    def slices(self) -> Iterator[Holding]:
        """Yield all slices."""
        return iter(self._placed.all.values())

    def slices_on(self, gpu_id: GpuId) -> tuple[Holding, ...]:
        """Return the slices on a GPU, jobs' too, by id."""
        return self._placed.on(gpu_id)

    def slices_of(self, owner: UserName) -> tuple[Holding, ...]:
        """Return the slices of a person, jobs' too, by id."""
        return self._placed.of(owner)

    def payers(self) -> tuple[GroupName | None, ...]:
        """Return who pays for notebooks' slices, in no order; ``None``: no group."""
        payers = self._placed.payers()
        return tuple(each for each in payers if any(True for _ in self.paid_by(each)))

    def payers_where(self, is_so: Callable[[Holding], bool]) -> set[GroupName | None]:
        """Return who pays for a notebook's slice of which something is so: few are looked at."""
        payers = self._placed.payers()
        return {payer for payer in payers if any(map(is_so, self.paid_by(payer)))}

    def paid_by(self, group: GroupName | None) -> Iterator[Holding]:
        """Yield the notebooks' slices that a group pays for, in no order."""
        return (each for each in self._placed.of_payer(group) if each.is_notebook)

    def rechargeable(self, groups: Iterable[GroupName]) -> Iterator[Holding]:
        """Yield what these pay for and another group could, the newest first.

        That are notebooks' slices of people who are in several groups and named none.
        """
        found = merge(*(self._placed.rechargeable(group) for group in groups))
        return (self._placed.all[slice_id] for *_, slice_id in found)

    def held_back(self) -> tuple[Holding, ...]:
        """Return the jobs' slices that stand still below a limit, in no order."""
        return tuple(self._placed.held_back())

    def called_back(self) -> tuple[Holding, ...]:
        """Return the slices that lost their place on a GPU to an entitled one, in no order."""
        return tuple(self._placed.called_back())

    @property
    def at_rest(self) -> Mapping[SliceId, datetime]:
        """Since when owners leave their slices alone; who is not in it is at work, or unknown."""
        return self._placed.at_rest

    def rest_of(self, gpu_id: GpuId) -> datetime | None:
        """Return since when no owner of a card is at work: long ago where it is nobody's.

        ``None``: one is at work.
        """
        return self._placed.rest_of(gpu_id)
