"""What the reader refuses of a value the schema refuses, too, as far as a schema can say it."""

from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError
from sublet_quota.document.value_kinds.budget_values import HoursLimit, Period
from sublet_quota.document.value_kinds.cards import Cards, CardsLimit, Part, Rate
from sublet_quota.document.value_kinds.reserved_time import Day, TimeReserved, Zone
from sublet_quota.document.value_kinds.sizes import ComputeShare, MemoryLimit, MemoryOrShare
from sublet_quota.document.values import Duration, Instant, PositiveDuration, TimeLimit

KINDS: dict[str, Any] = {
    "part": Part,
    "rate": Rate,
    "cards": Cards,
    "limit of cards": CardsLimit,
    "hours": HoursLimit,
    "period": Period,
    "time span": Duration,
    "time span above zero": PositiveDuration,
    "limit of time": TimeLimit,
    "end": Instant,
    "memory or share": MemoryOrShare,
    "limit of memory": MemoryLimit,
    "compute": ComputeShare,
    "reserved time": TimeReserved,
    "day": Day,
    "zone": Zone,
}
WRONG: dict[str, tuple[Any, ...]] = {
    "part": (
        "200%",
        "100.5 %",
        "1000%",
        "1/0",
        "1/0%",
        "1.5",
        "2",
        1.5,
        -1,
        "x",
        True,
        "0.5 parts",
    ),
    "rate": ("0", "0.0", "0/3", "1/0", "1000.5", "1001", 0, 1001, "x"),
    "cards": ("1/0", "1/000", "-1", "1 card", 1_000_000),
    "limit of cards": ("1/0", "none", 1_000_000),
    "hours": ("2 d", "-1", -1, "1h 30m"),
    "period": ("1 week", "0d", "0", "2 months", 60, 40_000_000),
    "time span": ("1 week", "2 months", "1h 30m", "-1", -1, "10 mins", 40_000_000),
    "time span above zero": ("1 week", "0", "0 s", "0.0h", "00d", 0, 40_000_000),
    "limit of time": ("1 week", "0", "0 s", "0.0h", 0, "never", 40_000_000),
    "end": ("2026-13-01", "2026-00-10", "2026-12-32", "2026-12-14 18:60Z", "2026-12-14 18:00"),
    "memory or share": (
        "200%",
        "0%",
        "000%",
        "101%",
        "1/0",
        "0/4",
        "0",
        "0.0",
        "1.5",
        0,
        2,
        "0 GiB",
    ),
    "limit of memory": ("40", 40, "40 GB", "-1 GiB"),
    "compute": ("0m", "000m", "1001m", "0%", "101%", "0", "0/4", "1/0", "1.5", 0, 2),
    "reserved time": ("Mon 25:00-26:00", "Mon 14:60-15:00", "Mon 14:00-24:30", "Tag 14:00-16:00"),
    "day": ("2027-13-01", "2027-00-01", "2027-01-32", "1999-12-31", "3000-01-01"),
    "zone": ("Europe/Berlin/", "", "../etc/passwd", "a b"),
}
RIGHT: dict[str, tuple[Any, ...]] = {
    "part": (
        "0%",
        "5%",
        "005%",
        "25.5 %",
        "100%",
        "100.0%",
        "1/4",
        "4/4",
        "1/2%",
        "0.25",
        "1.0",
        1,
    ),
    "rate": ("0.000001", "1/3", "1000", "1000.0", "0001", 0.5, 1000),
    "cards": ("0", "0/4", "10/100", "6", "0.5", 6),
    "limit of cards": ("unlimited", "1/2", 0),
    "hours": ("400", "0.5h", "12 h", 0, "unlimited"),
    "period": ("30d", "1 day", "2 Days", "24h", "week", "month", 86_400),
    "time span": ("0", "90", "10 MIN", "1 Hour", "2 hours", "0.5 d", "30sec", "1 second", 0),
    "time span above zero": ("0.001", "10m", "010 s", "366d", 1, 31_622_400),
    "limit of time": ("8h", "unlimited", "20 minutes"),
    "end": ("2026-12-14", "2026-12-14 18:00Z", "2026-12-14T23:59:59.5+01:00"),
    "memory or share": ("1%", "100%", "010%", "1/4", "0.25", "1", "1.0", 0.5, 1, "20 GiB", "01/4"),
    "limit of memory": ("0 GiB", "512 MiB", "unlimited"),
    "compute": ("1m", "001m", "1000m", "250 m", "1%", "1/3", 0.25, 1),
    "reserved time": ("Mon 14:00-16:00", "Mon-Fri 00:00-24:00", "2027-02-15 09:00 - 23:59"),
    "day": ("2027-02-15", " 2027-12-31 "),
    "zone": ("Europe/Berlin", "UTC", "America/Argentina/Ushuaia"),
}


def cases(values: dict[str, tuple[Any, ...]]) -> list[Any]:
    return [
        pytest.param(kind, value, id=f"{kind}: {value!r}")
        for kind, of_kind in values.items()
        for value in of_kind
    ]


def schema_of(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(TypeAdapter(KINDS[kind]).json_schema())


@pytest.mark.parametrize(("kind", "value"), cases(WRONG))
def test_a_wrong_value_is_refused_by_both(kind: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(KINDS[kind]).validate_python(value)
    with pytest.raises(jsonschema.ValidationError):
        schema_of(kind).validate(value)


@pytest.mark.parametrize(("kind", "value"), cases(RIGHT))
def test_a_right_value_is_taken_by_both(kind: str, value: Any) -> None:
    TypeAdapter(KINDS[kind]).validate_python(value)
    schema_of(kind).validate(value)
