"""The options by which each week's report by group goes out, by the ways that notices take."""

from datetime import time
from typing import Final

from sublet_quota.document.value_kinds.reserved_time import read_zone
from sublet_quota.week_report.receivers import EVERY_GROUP
from traitlets import Dict, HasTraits, List, Unicode

from sublet_hub.delivery.sender import Channel
from sublet_hub.errors import ConfigurationError
from sublet_hub.settings import WeekReportSettings

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class ReportOptions(HasTraits):
    """When the report of the week before goes out, and to whom: never by default."""

    week_report_at = Unicode(
        "",
        help="When the report of the week before goes out, such as 'monday 08:00'. It goes by the "
        "ways that are set for notices. Empty: none is sent.",
    ).tag(config=True)
    week_report_zone = Unicode(
        "UTC", help="The time zone of that, and of the weeks, such as Europe/Berlin."
    ).tag(config=True)
    week_report_to = Dict(
        value_trait=List(Unicode()),
        key_trait=Unicode(),
        help="By group of the quota document, the users who are mailed its report (with all below "
        "it) in the place of its admins; an empty list: nobody. '*' stands for the whole report.",
    ).tag(config=True)
    week_report_by = List(
        Unicode(),
        help="By which of the ways that are set: mail, webhook. Empty: by all of them.",
    ).tag(config=True)

    def report_settings(self, ways: frozenset[str]) -> WeekReportSettings | None:
        """Return them; ``None`` where no reports are sent. ``ConfigurationError``.

        ``ways``: those by which notices go out.
        """
        if not self.week_report_at:
            return None
        day, at = self._moment()
        try:
            zone = read_zone(self.week_report_zone)
        except ValueError as error:
            message = f"week_report_zone is {self.week_report_zone!r}: it {error}"
            raise ConfigurationError(message) from error
        by = self._ways(ways)
        if EVERY_GROUP in self.week_report_to and not self.week_report_to[EVERY_GROUP]:
            message = f"week_report_to[{EVERY_GROUP!r}] is empty: name users, or leave it out"
            raise ConfigurationError(message)
        to = {group: tuple(users) for group, users in self.week_report_to.items()}
        return WeekReportSettings(day, at, zone, by, to)

    def _moment(self) -> tuple[int, time]:
        day, _, at = self.week_report_at.strip().lower().partition(" ")
        try:
            return _DAYS.index(day), time.fromisoformat(at.strip()).replace(tzinfo=None)
        except ValueError as error:
            message = (
                f"week_report_at is {self.week_report_at!r}: write a day and a time, such as "
                "'monday 08:00'"
            )
            raise ConfigurationError(message) from error

    def _ways(self, ways: frozenset[str]) -> frozenset[str]:
        asked = frozenset(self.week_report_by)
        if unknown := asked - set(Channel):
            message = f"week_report_by has {min(unknown)!r}: there are {', '.join(Channel)}"
            raise ConfigurationError(message)
        by = asked or ways
        if not by or by - ways:
            message = (
                "week_report_at is set: set notices_mail_server or notices_webhook_url, by which "
                f"it goes out{f' ({min(by - ways)} is not set)' if by else ''}"
            )
            raise ConfigurationError(message)
        return by
