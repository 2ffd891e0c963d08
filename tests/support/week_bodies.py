"""A week's report of two groups, in whose names there is what a page or a terminal could obey."""

from datetime import UTC, date, datetime
from typing import Final

from sublet_quota.wire.use import CarbonFactors, KindHours
from sublet_quota.wire.week import (
    GroupWeek,
    IdleHolder,
    WeekNumbers,
    WeekRefusal,
    WeekReport,
    WeekWait,
)

BAD_NAME: Final = "<img src=x>\n\x1b[2J&"
CARBON: Final = CarbonFactors(
    pue=1.5, g_per_kwh=400, source="<b>the grid</b>", as_of=date(2026, 1, 31)
)


def week_numbers(
    used: float, idle: float, energy_wh: float | None = None, *, has_more: bool = False
) -> WeekNumbers:
    """Return numbers with so many hours used and idle; with more: a wait and a refusal, too."""
    hours = KindHours(
        held=used + idle,
        used=used,
        idle=idle,
        lent=0,
        suspended=0,
        borrowed=1,
        charged=0,
        credited=0,
    )
    return WeekNumbers(
        hours=hours,
        energy_wh=energy_wh,
        carbon_g=None if energy_wh is None else energy_wh * 0.6,
        waits=(WeekWait(kind="job", count=4, median_s=90, p95_s=7200),) if has_more else (),
        refusals=(WeekRefusal(code="no-room", times=7, owners=3),) if has_more else (),
    )


def week_report(*, is_over: bool = True, carbon: CarbonFactors | None = CARBON) -> WeekReport:
    """Return the report of the week from November 23 on, in Berlin."""
    return WeekReport(
        week="2026-W48",
        since=datetime(2026, 11, 22, 23, tzinfo=UTC),
        until=datetime(2026, 11, 29, 23, tzinfo=UTC),
        is_over=is_over,
        zone="Europe/Berlin",
        carbon=carbon,
        groups=(
            GroupWeek(
                group=BAD_NAME,
                week=week_numbers(1234.5, 10, 2500, has_more=True),
                before=week_numbers(823, 0),
                idle=(IdleHolder(owner="</table>eve", held=12, idle=9.5),),
            ),
            GroupWeek(
                group="", week=week_numbers(0, 0), before=week_numbers(2, 1, has_more=True), idle=()
            ),
        ),
    )
