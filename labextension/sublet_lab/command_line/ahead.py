"""What will be taken from an owner, as ``sublet share`` prints it: when, why, what puts it off."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import click
from sublet_quota.reasons.moments import length_words
from sublet_quota.wire.ahead import AheadInfo, Deed

from sublet_lab.command_line.tables import clock, plain


def print_ahead(ahead: Iterable[AheadInfo]) -> None:
    """Print what is ahead, the next first, with the command that puts it off; else nothing."""
    rows = tuple(ahead)
    if not rows:
        return
    click.echo()
    click.echo("What will be taken, unless something happens before:")
    for each in rows:
        when = "" if each.at is None else f"{clock(each.at)}: "
        click.echo(plain(f"{'! ' if each.is_near else '- '}{when}{each.what}"))
        for line in _lines_below(each):
            click.echo(plain(f"    {line}"))


def _lines_below(ahead: AheadInfo) -> Iterator[str]:
    """Yield why it is taken, and what can be done; a deed that is not known here is none."""
    yield f"{ahead.why} {ahead.advice}"
    if ahead.why_no_deed:
        yield ahead.why_no_deed
    if ahead.slice_id is None or ahead.deed_s is None:
        return
    length = timedelta(seconds=ahead.deed_s)
    if ahead.deed == Deed.EXTEND:
        yield f"For {length_words(length)} from now: sublet extend --slice {ahead.slice_id}"
    elif ahead.deed == Deed.KEEP and (minutes := int(length.total_seconds() // 60)):
        yield f"For up to {minutes} min: sublet keep {minutes} --slice {ahead.slice_id}"
