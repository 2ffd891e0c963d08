"""How long slices were held lately, of each GPU type: the last ones, and no more of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.usage import held_lengths as module
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Periods:
    """A ledger with these lengths in minutes, each of which ended a minute after the one before."""

    def __init__(self, *minutes: int) -> None:
        self._minutes = minutes

    def held_periods(self, since: datetime, until: datetime) -> Iterator[HeldPeriod]:
        assert (since, until) == (NOON - module.LATELY, NOON)
        for at, length in enumerate(self._minutes):
            ended = NOON - (len(self._minutes) - at) * MINUTE
            yield a_period(ended - length * MINUTE, ended)
            yield a_period(ended - 99 * MINUTE, ended, holder="job")
        yield a_period(NOON - MINUTE, None)


def a_period(began: datetime, ended: datetime | None, holder: str = "notebook") -> HeldPeriod:
    return HeldPeriod(
        slice_id="s",
        began_at=began,
        ended_at=ended,
        holder=holder,
        owner="ada",
        group=None,
        job_id=None,
        pool="interactive",
        size="small",
        node="node-a",
        gpu_id="g",
        gpu_type="NVIDIA H100",
        usable_mib=80_000,
        memory_mib=20_000,
        compute_milli=250,
    )


def document() -> QuotaDocument:
    return read_quota_document(b"gpu_types: {H100: {match: '*H100*'}}").at(NOON)


@pytest.mark.asyncio
async def test_the_last_ones_count_whatever_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_OF_MODEL", 3)
    lengths = module.HeldLengths(Periods(50, 7, 9, 3), lambda: NOON)
    await lengths.look()
    assert lengths.by_type(document()) == {"H100": (3 * MINUTE, 7 * MINUTE, 9 * MINUTE)}
