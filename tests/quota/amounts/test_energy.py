"""Whose energy it was: no more than the counter says, and with who computed or reserved."""

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.energy import SliceUse, split_energy
from sublet_quota.names.ids import SliceId

AMOUNTS = st.integers(0, 10**12)
USES = st.lists(
    st.builds(
        SliceUse,
        slice_id=st.uuids().map(lambda u: SliceId(u.hex)),
        reserved_milli=st.integers(0, 1000),
        busy_ms=st.integers(0, 10**6),
        suspended=st.booleans(),
    ),
    max_size=20,
)


def use(name: str, reserved: int, busy_ms: int, *, suspended: bool = False) -> SliceUse:
    return SliceUse(SliceId(name), reserved, busy_ms, suspended)


def test_energy_above_idle_goes_to_who_computed_idle_energy_to_who_reserved() -> None:
    split = split_energy(1000, 400, [use("a", 500, 300), use("b", 250, 100)])
    assert split.of_slices == {"a": 450 + 200, "b": 150 + 100}


def test_a_suspended_slice_gets_no_idle_energy() -> None:
    split = split_energy(1000, 1000, [use("a", 500, 0, suspended=True), use("b", 500, 0)])
    assert split.of_slices == {"a": 0, "b": 500}


def test_where_more_is_reserved_than_there_is_idle_energy_is_split_by_share() -> None:
    split = split_energy(900, 900, [use("a", 1000, 0), use("b", 500, 0)])
    assert split.of_slices == {"a": 600, "b": 300}


def test_what_nobody_of_ours_computed_is_nobodys() -> None:
    split = split_energy(1000, 0, [use("a", 1000, 0)])
    assert (split.of_slices, split.nobodys) == ({"a": 0}, 1000)


def test_what_belongs_to_no_slice_is_nobodys_for_as_long_as_it_computed() -> None:
    split = split_energy(1000, 200, [use("a", 500, 300), use("b", 500, 100)], foreign_ms=400)
    assert split.of_slices == {"a": 300 + 100, "b": 100 + 100}
    assert split.nobodys == 400


def test_no_mj_is_lost_where_parts_are_no_whole_ones() -> None:
    split = split_energy(1000, 0, [use("a", 100, 1), use("b", 100, 1), use("c", 100, 1)])
    assert sorted(split.of_slices.values()) == [333, 333, 334]
    assert split.nobodys == 0


@given(AMOUNTS, AMOUNTS, USES, st.integers(0, 10**6))
def test_the_parts_are_what_the_counter_says_to_the_last_mj_and_none_is_negative(
    total: int, idle: int, uses: list[SliceUse], foreign_ms: int
) -> None:
    split = split_energy(total, idle, uses, foreign_ms)
    assert sum(split.of_slices.values()) + split.nobodys == total
    assert all(part >= 0 for part in (*split.of_slices.values(), split.nobodys))
    is_reserved = sum(u.reserved_milli for u in uses if not u.suspended) >= 1000
    if is_reserved and any(u.busy_ms for u in uses) and not foreign_ms:
        assert split.nobodys == 0
