"""Amounts: what can be read, what is refused, and that nothing is rounded on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import (
    GpuAmount,
    format_cards,
    format_compute,
    format_held,
    format_memory,
    parse_compute,
    parse_memory,
)
from sublet_quota.errors import AmountError

whole = st.integers(min_value=0, max_value=10**12)


@pytest.mark.parametrize(
    ("written", "mib"),
    [
        ("40 GiB", 40960),
        ("40Gi", 40960),
        (" 512 MiB ", 512),
        ("512Mi", 512),
        ("1.5 GiB", 1536),
        ("2 TiB", 2 * 1024 * 1024),
        ("0.0009765625 TiB", None),
        ("0.25 GiB", 256),
        (0, 0),
        (81559, 81559),
    ],
)
def test_memory_is_read_exactly_or_not_at_all(written: str | int, mib: int | None) -> None:
    if mib is None:
        with pytest.raises(AmountError):
            parse_memory(written)
    else:
        assert parse_memory(written) == mib


@pytest.mark.parametrize(
    "written",
    [
        "",
        "40",
        "40 GB",
        "-1 GiB",
        "1e3 MiB",
        "0.1 MiB",
        "1.0001 GiB",
        "\u0664\u0660 GiB",
        -1,
        True,
        1.5,
        None,
    ],
)
def test_what_is_no_amount_of_memory_is_refused_with_what_to_write(written: object) -> None:
    with pytest.raises(AmountError):
        parse_memory(written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "milli"),
    [("500m", 500), ("0.5", 500), (0.5, 500), (1, 1000), ("2", 2000), ("0.001", 1), ("0m", 0)],
)
def test_compute_is_read_exactly(written: str | float, milli: int) -> None:
    assert parse_compute(written) == milli


@pytest.mark.parametrize(
    "written",
    ["", "half", "-1", "0.0001", "1.5m", 1e-7, float("nan"), float("inf"), True, "\u0665m"],
)
def test_what_is_no_share_of_a_gpu_is_refused(written: str | float) -> None:
    with pytest.raises(AmountError):
        parse_compute(written)


@pytest.mark.parametrize(
    ("mib", "written"),
    [
        (0, "0 MiB"),
        (512, "512 MiB"),
        (1024, "1 GiB"),
        (1536, "1.5 GiB"),
        (80 * 1024, "80 GiB"),
        (80 * 1024 - 1, "81919 MiB"),
        (80 * 1024 + 1, "81921 MiB"),
        (20133, "19.7 GiB"),
        (-2048, "-2 GiB"),
        (10**400, f"{10**400 // 1024} GiB"),
    ],
)
def test_memory_is_written_for_people_and_never_as_a_round_number_it_is_not(
    mib: int, written: str
) -> None:
    assert format_memory(mib) == written


@pytest.mark.parametrize(
    ("milli", "written"),
    [
        (0, "0 GPU"),
        (250, "0.25 GPU"),
        (1000, "1 GPU"),
        (1, "0.001 GPU"),
        (1234567, "1234.567 GPU"),
        (10**9, "1000000 GPU"),
        (-1500, "-1.5 GPU"),
    ],
)
def test_compute_is_written_exactly(milli: int, written: str) -> None:
    assert format_compute(milli) == written


@given(st.integers(min_value=0, max_value=10**9))
def test_a_number_of_mib_is_read_back_as_it_was_written(mib: int) -> None:
    assert parse_memory(f"{mib} MiB") == mib


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_milli_gpus_are_read_back_as_they_were_written(milli: int) -> None:
    assert parse_compute(f"{milli}m") == milli
    assert parse_compute(format_compute(milli).removesuffix(" GPU")) == milli


@given(whole, whole, whole, whole)
def test_taking_away_what_was_added_leaves_what_was_there(a: int, b: int, c: int, d: int) -> None:
    assert GpuAmount(a, b) + GpuAmount(c, d) - GpuAmount(c, d) == GpuAmount(a, b)


@given(whole, whole, whole, whole)
def test_an_amount_fits_exactly_where_it_can_be_taken_away(a: int, b: int, c: int, d: int) -> None:
    amount, room = GpuAmount(a, b), GpuAmount(c, d)
    if amount.fits_in(room):
        assert room - amount + amount == room
    else:
        with pytest.raises(AmountError):
            room - amount


@pytest.mark.parametrize("values", [(-1, 0), (0, -1), (1.5, 0), (True, 0), (0, "1")])
def test_an_amount_that_is_negative_or_no_whole_number_cannot_be_made(
    values: tuple[int, int],
) -> None:
    with pytest.raises(AmountError):
        GpuAmount(*values)


@pytest.mark.parametrize(
    ("mib", "told", "written"),
    [
        (2048, True, "2 GiB"),
        (0, True, "0 MiB"),
        (2048, False, "at least 2 GiB"),
        (0, False, "an unknown amount"),
    ],
)
def test_what_is_held_and_not_told_is_never_written_as_nothing(
    mib: int, *, told: bool, written: str
) -> None:
    assert format_held(mib, told=told) == written


@pytest.mark.parametrize(
    ("cards", "written"),
    [
        (0, "0 cards"),
        (0.125, "0.125 cards"),
        (1, "1 card"),
        (1 / 3, "0.333 cards"),
        (6.5, "6.5 cards"),
        (20, "20 cards"),
        (0.9999, "1 card"),
        (1200, "1200 cards"),
    ],
)
def test_cards_are_written_to_a_thousandth(cards: float, written: str) -> None:
    assert format_cards(cards) == written
