"""What happened on a hub, as it goes to whoever exports it: a day at a time."""

from sublet_quota.wire.schema import AnswerModel, PositiveCount


class HistoryDay(AnswerModel):
    """One day of an export."""

    days: PositiveCount
    """How many days the export has: they are asked for one by one, from 0."""
    lines: tuple[str, ...]
    """Lines of the table that ``sublet simulate --history`` reads."""
