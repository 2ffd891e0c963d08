"""The weeks whose report goes out: each is made once, and what was missed is made up for."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sublet_hub.delivery.reported_weeks import ReportedWeeks
from sublet_hub.delivery.ways import outbox_of
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.week_reports import ReportedWeekStore
from sublet_hub.settings import DeliverySettings, WeekReportSettings

SETTINGS = WeekReportSettings(0, time(8), ZoneInfo("UTC"))
NOW = datetime(2026, 12, 7, 8, tzinfo=UTC)
DUE = ("2026-W46", "2026-W47", "2026-W48")


class Desk:
    """The weeks with their clock, of which another can be made as after a restart."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.restart()

    def restart(self) -> None:
        store = ReportedWeekStore(self.database)
        self.weeks = ReportedWeeks(store, SETTINGS, lambda: self.now)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    database.migrate()
    return Desk(database)


def test_of_weeks_before_reports_were_set_none_is_made(desk: Desk) -> None:
    assert desk.weeks.missing(DUE) == ()
    assert desk.weeks.live() == ()
    assert desk.weeks.last is None


def test_each_week_is_made_once_and_what_was_missed_is_made_up_for(desk: Desk) -> None:
    desk.weeks.missing(DUE)
    desk.restart()
    later = (*DUE[1:], "2026-W49", "2026-W50")
    assert desk.weeks.missing(later) == ("2026-W49", "2026-W50")
    desk.weeks.take("2026-W49", "{}")
    desk.restart()
    assert desk.weeks.missing(later) == ("2026-W50",)
    desk.weeks.take("2026-W50", "{}")
    assert desk.weeks.missing(later) == ()
    assert {each.week for each in desk.weeks.live()} == {"2026-W49", "2026-W50"}


def test_a_week_goes_out_for_some_days_and_is_not_made_again_after_them(desk: Desk) -> None:
    desk.weeks.missing(DUE[:2])
    desk.weeks.take(DUE[2], "{}")
    desk.now += timedelta(days=6)
    assert desk.weeks.live() == ()
    assert desk.weeks.missing(DUE) == ()
    last = desk.weeks.last
    assert last is not None
    assert last.week == DUE[2]


def test_old_weeks_are_forgotten(desk: Desk) -> None:
    desk.weeks.missing(DUE[:1])
    desk.weeks.take(DUE[1], "{}")
    desk.now += timedelta(days=60)
    desk.weeks.take("2027-W05", "{}")
    assert ReportedWeekStore(desk.database).kept.keys() == {"2027-W05"}


def test_where_reports_are_switched_off_and_on_again_they_begin_anew(desk: Desk) -> None:
    desk.weeks.missing(DUE[:1])
    desk.weeks.take(DUE[1], "{}")
    outbox_of(DeliverySettings(), desk.database, lambda: desk.now)
    desk.restart()
    assert desk.weeks.missing(DUE) == ()
