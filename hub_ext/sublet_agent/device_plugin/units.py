"""Lendable room in units, as the kubelet counts it: pure functions.

A card's units are numbered. As many are advertised as jobs have there already, and could still
have: the scheduler takes off what running pods asked for, and what is left is what can be lent
now. Which numbers a pod got does not matter for that; all of its units are of one card, since a
job has one slice.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sublet_quota.amounts.lent_units import units_for
from sublet_quota.names.ids import GpuId


class WrongUnitsError(Exception):
    """Units that no container can get together; the text is for the pod's events."""


@dataclass(frozen=True, slots=True)
class JobRoom:
    """The room on a card that jobs have, and that one more could have now."""

    gpu_id: GpuId
    memory_mib: int
    """The memory of the whole card."""
    usable_mib: int
    """The part of the card's memory that slices can have in all."""
    lendable_mib: int
    jobs_mib: tuple[int, ...] = ()
    """The caps of the jobs on the card, one by one."""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """A device of the resource: a numbered part of one card."""

    gpu_id: GpuId
    number: int

    @property
    def device_id(self) -> str:
        """The unit's name at the kubelet."""
        return f"{self.gpu_id}/{self.number}"


@dataclass(frozen=True, slots=True)
class AdvertisedUnit:
    """A unit, and whether it may be given to a new pod."""

    unit: Unit
    healthy: bool


def advertise(rooms: Iterable[JobRoom], unit_mib: int) -> tuple[AdvertisedUnit, ...]:
    """Return all units that are to be advertised now; those of a closed card are unhealthy."""
    found: list[AdvertisedUnit] = []
    for room in sorted(rooms, key=lambda r: r.gpu_id):
        taken = sum(units_for(cap, room.usable_mib, unit_mib) for cap in room.jobs_mib)
        free = 0 if room.closed else room.lendable_mib // unit_mib
        # Never more than the card has, whatever the caps of its jobs add up to.
        count = min(taken + free, max(taken, room.usable_mib // unit_mib))
        units = (Unit(room.gpu_id, number) for number in range(count))
        found += [AdvertisedUnit(unit, healthy=not room.closed) for unit in units]
    return tuple(found)


def read_unit(device_id: str) -> Unit:
    """Return the unit with this name at the kubelet; ``WrongUnitsError`` where it is none."""
    gpu_id, slash, number = device_id.rpartition("/")
    if not slash or not gpu_id or not number.isdecimal():
        message = f"{device_id!r:.100} is no unit of lent room"
        raise WrongUnitsError(message)
    return Unit(GpuId(gpu_id), int(number))


def prefer(available: Sequence[str], must_include: Sequence[str], count: int) -> tuple[str, ...]:
    """Return so many units of the card that has the fewest but enough, lowest numbers first.

    Nothing, where no card has enough: the kubelet then takes any, and allocation is refused.
    """
    included = [read_unit(name) for name in must_include]
    by_gpu: defaultdict[GpuId, set[Unit]] = defaultdict(set)
    for unit in (read_unit(name) for name in available):
        by_gpu[unit.gpu_id].add(unit)
    wanted = {unit.gpu_id for unit in included}
    fitting = [
        (len(units), gpu_id)
        for gpu_id, units in by_gpu.items()
        if wanted <= {gpu_id} and len(units | set(included)) >= count
    ]
    if not fitting or len(wanted) > 1:
        return ()
    _, gpu_id = min(fitting)
    rest = sorted(by_gpu[gpu_id] - set(included), key=lambda unit: unit.number)
    chosen = [*included, *rest][:count]
    return tuple(unit.device_id for unit in chosen)


def gpu_of(device_ids: Iterable[str]) -> GpuId:
    """Return the card of a container's units; ``WrongUnitsError`` where they are of several."""
    cards = sorted({read_unit(name).gpu_id for name in device_ids})
    if len(cards) != 1:
        message = (
            f"the lent room was taken from {len(cards)} GPUs ({', '.join(cards)}), and a job runs "
            "on one: there is no longer enough on any of them"
        )
        raise WrongUnitsError(message)
    return cards[0]
