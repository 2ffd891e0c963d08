"""The room that active owners of lower ranks leave to those of one rank: now, and in the next turn.

Where one of a lower rank waits for a turn among its equals, the seats that there will be then count
beside those that there are. Who gets a seat meanwhile must fit beside both: it would have to leave
again at once, and its move would hold up whoever it may not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.candidates import RoomMaking
from sublet_quota.residency.reserve import Reserve
from sublet_quota.residency.snapshot import SliceView


@dataclass(frozen=True, slots=True)
class ComingTurn:
    """A slice in front of those of its rank that wait for a turn, and who is there beside it."""

    front: SliceView
    beside: tuple[SliceView, ...]
    """The slices with a seat when the one in front gets its own, that one included."""


@dataclass(frozen=True, slots=True)
class LeftRoom:
    """What the lower ranks leave to a rank."""

    making: RoomMaking
    immovable: tuple[SliceView, ...]
    """The slices with a seat that nobody can make leave it, of whatever rank."""
    seated: tuple[SliceView, ...] = ()
    """The slices of lower ranks with a seat."""
    coming: tuple[ComingTurn, ...] = ()
    leaving: Mapping[SliceId, frozenset[SliceId]] = field(default_factory=dict)
    """Who of this rank makes way when a coming turn begins, by the slice in front there."""
    reserve: Reserve | None = None
    """What is to be free beside those of this rank, for a reservation."""
    kept: tuple[SliceView, ...] = ()
    """The idle slices that stay where a job has a seat: kept by owners who are entitled."""

    @property
    def is_all(self) -> bool:
        """Whether no lower rank takes any, and no reservation."""
        return not self.seated and not self.coming and self.reserve is None

    @property
    def takers(self) -> tuple[SliceView, ...]:
        """The slices of lower ranks with a seat, or with the next one."""
        return (*(turn.front for turn in self.coming), *self.seated)

    def fits_among_equals(self, *own: SliceView, host_is_endless: bool = False) -> bool:
        """Whether these of the rank would fit if nobody were of a lower one."""
        staying = self._with_kept((*self.immovable, *own))
        return self.making.is_possible(staying, host_is_endless=host_is_endless)

    def fits_now(self, *own: SliceView, host_is_endless: bool = False) -> bool:
        """Whether these of the rank fit beside the seats of lower ranks that there are."""
        staying = self._with_kept((*self.seated, *self.immovable, *own))
        fits = self.making.is_possible(staying, host_is_endless=host_is_endless)
        return fits and (self.reserve is None or self.reserve.is_left_beside(staying))

    def fits_in(self, turn: ComingTurn, *own: SliceView) -> bool:
        """Whether these of the rank fit beside who is there in a coming turn."""
        return self.making.is_possible(self._with_kept(self._beside(turn, own)))

    def fits(self, *own: SliceView) -> bool:
        """Whether these of the rank fit now, and in the coming turns of lower ranks."""
        return self.fits_now(*own) and all(self.fits_in(turn, *own) for turn in self.coming)

    def after(
        self, own: Sequence[SliceView], waiting: Sequence[SliceView], turn: ComingTurn | None
    ) -> "LeftRoom":
        """Return what is left to the next rank: these of this one have a seat, or wait.

        ``turn``: the coming one of this rank. What those who wait have on the GPU is nobody's of a
        higher rank to move, unless they have to make room among themselves.
        """
        coming = [ComingTurn(each.front, self._beside(each, own)) for each in self.coming]
        if turn is not None:
            beside = _each_once((*self.seated, *self.immovable, *turn.beside))
            coming.append(ComingTurn(turn.front, beside))
        seated = (*self.seated, *own)
        left = LeftRoom(self.making, self.immovable, seated, tuple(coming), kept=self.kept)
        sparing = replace(left, making=self.making.without(waiting))
        return sparing if sparing.fits() else left

    def _with_kept(self, staying: tuple[SliceView, ...]) -> tuple[SliceView, ...]:
        kept = self.kept if self.kept and any(s.is_job for s in staying) else ()
        return _each_once((*staying, *kept))

    def _beside(self, turn: ComingTurn, own: Sequence[SliceView]) -> tuple[SliceView, ...]:
        leaving = self._leaving_for(turn)
        return _each_once((*turn.beside, *(s for s in own if s.slice_id not in leaving)))

    def _leaving_for(self, turn: ComingTurn) -> frozenset[SliceId]:
        return self.leaving.get(turn.front.slice_id, frozenset())


def _each_once(views: Iterable[SliceView]) -> tuple[SliceView, ...]:
    return tuple({s.slice_id: s for s in views}.values())
