"""``sublet notify``: tell owners something, list what they are told, and take it back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import click
from pydantic import ValidationError
from sublet_quota.wire.announcements import (
    AnnouncementInfo,
    AnnouncementRequest,
    Audience,
    MadeAnnouncement,
    WithdrawalRequest,
)

from sublet_lab.command_line.asked import asked_for
from sublet_lab.command_line.closings import end_of
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    json_option,
    plain,
    print_found,
    print_json,
    print_table,
    wants_json,
)

_FIELDS: Final = tuple(AnnouncementInfo.model_fields)


@click.command()
@click.argument("text", required=False)
@click.option("--owner", help="Tell this user.")
@click.option("--group", help="Tell whoever is in this group, or in one below it.")
@click.option("--node", help="Tell whoever has a slice there, of a server or a job.")
@click.option("--card", help="Tell whoever has a slice on it: NODE:INDEX, or its id.")
@click.option("--all", "everybody", is_flag=True, help="Tell everybody.")
@click.option(
    "--until",
    callback=end_of,
    help="When it ends: 4h, 2d, a day (which it includes), or a local time. Default: in a day.",
)
@click.option("--list", "lists", is_flag=True, help="List what is told now.")
@click.option("--withdraw", metavar="ID", help="Take back what was told.")
@json_option
@csv_option
@pass_service
def notify(  # noqa: PLR0913 (click's signature)
    service: Service,
    *,
    text: str | None,
    owner: str | None,
    group: str | None,
    node: str | None,
    card: str | None,
    everybody: bool,
    until: datetime | None,
    lists: bool,
    withdraw: str | None,
) -> None:
    """Tell owners something, in JupyterLab's panel and by `sublet share` (admins).

    Admins of groups tell their groups, those below, and a user who is in no others. One line of
    plain text, of 500 characters at most; it ends by itself.
    """
    given = {
        Audience.OWNER: owner,
        Audience.GROUP: group,
        Audience.NODE: node,
        Audience.CARD: card,
    }
    meant: list[tuple[Audience, str | None]] = [
        (audience, name) for audience, name in given.items() if name is not None
    ]
    if everybody:
        meant.append((Audience.ALL, None))
    if lists + (withdraw is not None) + (text is not None) != 1:
        message = "give a text, or --list, or --withdraw"
        raise click.UsageError(message)
    if text is None and (meant or until is not None):
        message = "--owner, --group, --node, --card, --all and --until go with a text"
        raise click.UsageError(message)
    if lists:
        _list(service)
    elif withdraw is not None:
        _withdraw(service, withdraw)
    elif len(meant) != 1:
        message = "tell whom: give one of --owner, --group, --node, --card and --all"
        raise click.UsageError(message)
    else:
        audience, name = meant[0]
        _tell(service, text or "", audience, name, until)


def _tell(
    service: Service, text: str, audience: Audience, name: str | None, until: datetime | None
) -> None:
    typed_as = {"text": "TEXT", "name": f"--{audience.value}"}
    asked = asked_for(
        AnnouncementRequest, typed_as, text=text, audience=audience, name=name, until=until
    )
    made = service.post(MadeAnnouncement, "announcements", asked)
    if wants_json():
        print_json(made)
        return
    if made.warning is not None:
        click.echo(f"Warning: {plain(made.warning)}: nobody reads it until there is one.")
    by_place = made.audience in {Audience.NODE, Audience.CARD}
    here = "whoever has a slice on " if by_place else ""
    click.echo(f"Told to {here}{plain(_to(made))} until {clock(made.until)}.")
    click.echo(f"To take it back: sublet notify --withdraw {plain(made.announcement_id)}")


def _withdraw(service: Service, announcement_id: str) -> None:
    undone = service.post(AnnouncementInfo, "announcements/withdraw", _withdrawal(announcement_id))
    if wants_json():
        print_json(undone)
        return
    click.echo(f"Taken back: {plain(undone.text)}")


def _withdrawal(announcement_id: str) -> WithdrawalRequest:
    try:
        return WithdrawalRequest(announcement_id=announcement_id)
    except ValidationError as error:
        message = "that is no id: `sublet notify --list` shows them"
        raise click.UsageError(message) from error


def _list(service: Service) -> None:
    found = service.get(tuple[AnnouncementInfo, ...], "announcements")
    print_found(found, _FIELDS, "Nothing is told to anybody.", _print)


def _print(found: Sequence[AnnouncementInfo]) -> None:
    print_table(
        ("!ID", "TO", "BY", "UNTIL", "TEXT"),
        (
            (each.announcement_id, _to(each), _by(each), clock(each.until), each.text)
            for each in found
        ),
    )


def _by(made: AnnouncementInfo) -> str:
    return f"{made.made_by}, admin of {', '.join(made.within)}" if made.within else made.made_by


def _to(made: AnnouncementInfo) -> str:
    match made.audience:
        case Audience.ALL:
            return "everybody"
        case Audience.OWNER:
            return made.name or ""
        case _:
            return f"{made.audience} {made.name}"
