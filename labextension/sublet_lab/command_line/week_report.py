"""``sublet use report``: a week by group, as text, HTML or JSON."""

import click
from sublet_quota.week_report.written import as_html, as_text
from sublet_quota.wire.deliveries import ReportTrial, ReportTrialRequest
from sublet_quota.wire.week import WeekReport

from sublet_lab.command_line.group_option import OF_GROUP
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import json_option, plain, print_json, wants_json
from sublet_lab.command_line.typed import zone_option


@click.command()
@click.option("--week", metavar="WEEK", help="Such as 2026-W48. Default: the last whole one.")
@zone_option
@OF_GROUP
@click.option("--html", "as_page", is_flag=True, help="Print a page of HTML, for a file or a mail.")
@click.option(
    "--send",
    "channel",
    type=click.Choice(("mail", "webhook")),
    help="Send it instead, as it goes out each week: to your mail address, or to the webhook "
    "(admins).",
)
@json_option
@pass_service
def report(  # noqa: PLR0913 - click's signature
    service: Service,
    week: str | None,
    zone: str | None,
    of: str | None,
    *,
    as_page: bool,
    channel: str | None,
) -> None:
    """Show a week by group, beside the week before (admins, and admins of groups)."""
    if as_page and wants_json():
        message = "--html and --json do not go together: give one of them"
        raise click.UsageError(message)
    if channel is not None:
        if zone is not None or as_page:
            message = (
                "what is sent is in the zone and form of the service: leave out --zone, --html"
            )
            raise click.UsageError(message)
        _send(service, ReportTrialRequest(channel=channel, week=week, group=of))
        return
    found = service.get(WeekReport, "use/report", week=week, zone=zone, group=of)
    if wants_json():
        print_json(found)
    else:
        click.echo(as_html(found) if as_page else as_text(found), nl=False)


def _send(service: Service, asked: ReportTrialRequest) -> None:
    """Have it sent, and say what came of it."""
    sent = service.post(ReportTrial, "use/report/trial", asked)
    if wants_json():
        print_json(sent)
    elif sent.was_sent:
        click.echo(f"The report of {plain(sent.week)} was sent by {plain(sent.channel)}.")
    else:
        message = f"it was not sent by {plain(sent.channel)}: {plain(sent.problem or '')}"
        raise click.ClickException(message)
