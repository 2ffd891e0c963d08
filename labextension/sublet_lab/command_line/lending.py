"""``sublet lending``: the switch of all lending."""

import click
from sublet_quota.wire.api import LendingState, LendingSwitch

from sublet_lab.command_line.asked import asked_for
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import clock, json_option, plain, print_json, wants_json
from sublet_lab.command_line.whole_help import WholeHelp


@click.group(cls=WholeHelp)
def lending() -> None:
    """See, or switch, all lending of idle slices."""


@lending.command("show")
@json_option
@pass_service
def show_lending(service: Service) -> None:
    """Show whether idle slices are lent, since when and why; admins: by whom."""
    _print_lending(service.get(LendingState, "lending"))


@lending.command("on")
@click.option(
    "--reason", "--why", "reason", default="", help="Why; `lending show` tells it to everybody."
)
@json_option
@pass_service
def lending_on(service: Service, reason: str) -> None:
    """Lend idle slices to training jobs (admins)."""
    _print_lending(_switch(service, reason, lending=True))


@lending.command("off")
@click.option(
    "--reason", "--why", "reason", default="", help="Why; `lending show` tells it to everybody."
)
@json_option
@pass_service
def lending_off(service: Service, reason: str) -> None:
    """Give every lent slice back, and lend none (admins)."""
    _print_lending(_switch(service, reason, lending=False))


def _switch(service: Service, reason: str, *, lending: bool) -> LendingState:
    asked = asked_for(LendingSwitch, lending=lending, reason=reason)
    return service.put(LendingState, "lending", asked)


def _print_lending(state: LendingState) -> None:
    if wants_json():
        print_json(state)
        return
    reason = f" ({plain(state.reason)})" if state.reason else ""
    since = f", since {clock(state.switched_at)}" if state.switched_at else ""
    by = f", by {plain(state.switched_by)}" if state.switched_by else ""
    click.echo(f"Lending is {'on' if state.lending else 'off'}{reason}{since}{by}.")
