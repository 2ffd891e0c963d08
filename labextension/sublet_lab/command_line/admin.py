"""``sublet gpus`` and ``sublet lending``."""

from collections.abc import Iterator

import click
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.reasons.fitness import is_closed, unfit_clause
from sublet_quota.reasons.foreign_processes import foreign_clause
from sublet_quota.reasons.not_frozen import not_frozen_clause
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import GpuInfo, LendingState, LendingSwitch, SliceInfo

from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.slices import held_by, remarks_on, size_of, state_of
from sublet_lab.command_line.tables import (
    ago,
    clock,
    json_option,
    plain,
    print_json,
    print_table,
    wants_json,
)


@click.command()
@json_option
@pass_service
def gpus(service: Service) -> None:
    """Show every GPU: who holds what, lent to whom, who waits for whom (admins)."""
    found = service.get(tuple[GpuInfo, ...], "gpus")
    if wants_json():
        print_json(found)
        return
    if not found:
        click.echo("No GPUs: no agent has connected yet.")
        return
    print_table(
        ("GPU", "TYPE", "POOL", ">MEMORY", ">USED", ">PROMISED", ">LENDABLE", ">UTIL", "REMARKS"),
        (
            (
                f"{gpu.node} {gpu.report.index}",
                gpu.report.type,
                gpu.pool,
                format_memory(gpu.report.memory_mib),
                format_memory(gpu.report.used_mib),
                f"{format_memory(gpu.promised_mib)} ({gpu.overcommit:.2f} x)",
                format_memory(gpu.report.lendable_mib),
                _busy(gpu.report.utilisation_percent),
                _remarks(gpu),
            )
            for gpu in found
        ),
    )
    rows = [row for gpu in found for row in _holders(gpu)]
    if rows:
        click.echo()
        print_table(("GPU", "OWNER", "FOR", "SLICE", "SIZE", "STATE", "HOLDS", "REMARKS"), rows)


def _busy(percent: int | None) -> str:
    return "not told" if percent is None else f"{percent} %"


def _holders(gpu: GpuInfo) -> Iterator[tuple[str, ...]]:
    for info in sorted(gpu.slices, key=_notebooks_first):
        lease = info.lease
        yield (
            f"{gpu.node} {gpu.report.index}",
            lease.owner,
            "job" if lease.holder is Holder.JOB else (lease.server or "notebook"),
            lease.slice_id,
            size_of(info),
            state_of(info),
            held_by(info),
            remarks_on(info),
        )


def _notebooks_first(info: SliceInfo) -> tuple[bool, str]:
    return (info.lease.holder is Holder.JOB, info.lease.owner)


def _remarks(gpu: GpuInfo) -> str:
    report, foreign = gpu.report, gpu.report.foreign_processes
    remarks = []
    if report.simulated:
        remarks.append("simulated")
    if report.closed:
        remarks.append(f"closed: {report.closed}")
    if foreign is not None:
        who = foreign_clause(
            foreign.count, foreign.pids, foreign.held_mib, memory_told=foreign.memory_told
        )
        remarks.append(f"pause only: {who}")
    unfit = report.unfit_reasons
    if unfit and not is_closed(unfit):
        remarks.append(f"pause only: {unfit_clause(unfit)}")
    if report.unfit is None:
        remarks.append("its agent does not tell whether it is fit to be lent")
    if report.unfrozen is not None:
        why = not_frozen_clause(report.unfrozen)
        remarks.append(f"not all are frozen while one comes back: {why}")
    if gpu.silent:
        remarks.append(f"no word from its agent, last seen {ago(gpu.seen_at)}")
    return "; ".join(remarks)


@click.group()
def lending() -> None:
    """See, or switch, all lending of idle slices."""


@lending.command("show")
@json_option
@pass_service
def show_lending(service: Service) -> None:
    """Show whether idle slices are lent, since when and why; admins: by whom."""
    _print_lending(service.get(LendingState, "lending"))


@lending.command("on")
@click.option("--reason", default="", help="Why; `lending show` tells it to everybody.")
@json_option
@pass_service
def lending_on(service: Service, reason: str) -> None:
    """Lend idle slices to training jobs (admins)."""
    _print_lending(_switch(service, LendingSwitch(lending=True, reason=reason)))


@lending.command("off")
@click.option("--reason", default="", help="Why; `lending show` tells it to everybody.")
@json_option
@pass_service
def lending_off(service: Service, reason: str) -> None:
    """Give every lent slice back, and lend none (admins)."""
    _print_lending(_switch(service, LendingSwitch(lending=False, reason=reason)))


def _switch(service: Service, switch: LendingSwitch) -> LendingState:
    return service.put(LendingState, "lending", switch)


def _print_lending(state: LendingState) -> None:
    if wants_json():
        print_json(state)
        return
    reason = f" ({plain(state.reason)})" if state.reason else ""
    since = f", since {clock(state.switched_at)}" if state.switched_at else ""
    by = f", by {plain(state.switched_by)}" if state.switched_by else ""
    click.echo(f"Lending is {'on' if state.lending else 'off'}{reason}{since}{by}.")
