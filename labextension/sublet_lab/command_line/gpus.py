"""``sublet gpus``: every card, filtered and sorted, and who holds what on it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import click
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.reasons.fitness import is_closed, unfit_clause
from sublet_quota.reasons.foreign_processes import foreign_clause
from sublet_quota.reasons.not_frozen import not_frozen_clause
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import GpuInfo, SliceInfo

from sublet_lab.command_line.job_list import has_type
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.slices import (
    held_by,
    kept_on,
    purpose_of,
    remarks_on,
    size_of,
    state_of,
)
from sublet_lab.command_line.tables import (
    ago,
    clock,
    csv_option,
    fits,
    is_wide,
    json_option,
    plain,
    print_csv,
    print_json,
    print_table,
    wants_csv,
    wants_json,
)

_STATES: Final = ("open", "pause-only", "closed", "silent")
_SORTS: Final[dict[str, Callable[[GpuInfo], Any]]] = {
    "node": lambda gpu: (gpu.node, gpu.report.index),
    "type": lambda gpu: (_type(gpu), gpu.report.type),
    "pool": lambda gpu: gpu.pool,
    "state": lambda gpu: -_STATES.index(_state(gpu)),
    "used": lambda gpu: -gpu.report.used_mib,
    "promised": lambda gpu: -gpu.overcommit,
    "lendable": lambda gpu: -gpu.report.lendable_mib,
    "utilisation": lambda gpu: -(gpu.report.utilisation_percent or 0),
    "temperature": lambda gpu: -(gpu.report.temperature_c or 0),
}
_WIDE: Final = ("!GPU", "TYPE", "POOL", ">MEMORY", ">USED", ">PROMISED", ">LENDABLE")
_FIELDS: Final = (
    "node",
    "gpu_index",
    "gpu_id",
    "gpu_type",
    "type_name",
    "pool",
    "state",
    "memory_mib",
    "used_mib",
    "promised_mib",
    "lendable_mib",
    "utilisation_percent",
    "temperature_c",
    "slices",
    "owners",
    "seen_at",
    "remarks",
)


@click.command()
@click.option("--node", help="Only those of this node.")
@click.option("--type", "gpu_type", help="Only those whose type or model has this text in it.")
@click.option("--pool", help="Only those of this pool.")
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only those in this state; may be repeated.",
)
@click.option("--owner", help="Only those on which this user has a slice or a job.")
@click.option(
    "--sort",
    type=click.Choice(tuple(_SORTS)),
    default="node",
    show_default=True,
    help="By what they are ordered.",
)
@json_option
@csv_option
@pass_service
def gpus(  # noqa: PLR0913 (click's signature)
    service: Service,
    *,
    node: str | None,
    gpu_type: str | None,
    pool: str | None,
    states: tuple[str, ...],
    owner: str | None,
    sort: str,
) -> None:
    """Show every GPU: who holds what, lent to whom, who waits for whom (admins)."""

    def is_wanted(gpu: GpuInfo) -> bool:
        return (
            node in {None, gpu.node}
            and pool in {None, gpu.pool}
            and (gpu_type is None or has_type(f"{_type(gpu)}\n{gpu.report.type}", gpu_type))
            and (not states or _state(gpu) in states)
            and (owner is None or any(each.lease.owner == owner for each in gpu.slices))
        )

    known = service.get(tuple[GpuInfo, ...], "gpus")
    # The service has them by node and index, which stays the order of those that are alike.
    found = sorted(filter(is_wanted, known), key=_SORTS[sort])
    if wants_json():
        print_json(found)
    elif wants_csv():
        print_csv(_FIELDS, map(_values, found))
    elif not found:
        none = (
            "None of the GPUs is such a one." if known else "No GPUs: no agent has connected yet."
        )
        click.echo(none)
    elif is_wide():
        _print_wide(found)
    else:
        _print_narrow(found)


def _print_wide(found: Sequence[GpuInfo]) -> None:
    print_table(
        (*_WIDE, ">UTIL", ">TEMP", "REMARKS"),
        (
            (
                _name(gpu),
                _with_models((gpu,)),
                gpu.pool,
                format_memory(gpu.report.memory_mib),
                format_memory(gpu.report.used_mib),
                f"{format_memory(gpu.promised_mib)} ({gpu.overcommit:.2f} x)",
                format_memory(gpu.report.lendable_mib),
                _told(gpu.report.utilisation_percent),
                _told(gpu.report.temperature_c, "°C"),
                remarks_on_gpu(gpu),
            )
            for gpu in found
        ),
    )
    rows = [
        (
            _name(gpu),
            info.lease.owner,
            purpose_of(info),
            info.lease.slice_id,
            size_of(info),
            state_of(info),
            held_by(info),
            "; ".join(filter(None, (remarks_on(info), kept_on(info)))),
        )
        for gpu, info in _holders(found)
    ]
    if rows:
        click.echo()
        print_table(("!GPU", "OWNER", "FOR", "SLICE", "SIZE", "STATE", "HOLDS", "REMARKS"), rows)


def _print_narrow(found: Sequence[GpuInfo]) -> None:
    """Print a line a card: remarks stand below, and the ids of slices are left out.

    So is what all cards have alike: that stands above. Names of types and pools that have no room
    in the lines stand there, too, numbered.
    """
    are_simulated = all(gpu.report.simulated for gpu in found)
    _print_cards(found)
    if are_simulated:
        click.echo("All of them are simulated.")
    _print_remarks((gpu, "", remarks_on_gpu(gpu, simulated=not are_simulated)) for gpu in found)
    holders = list(_holders(found))
    if holders:
        click.echo()
        print_table(
            ("!GPU", "OWNER", "FOR", "SIZE", "STATE"),
            (
                (_name(gpu), info.lease.owner, purpose_of(info), size_of(info), state_of(info))
                for gpu, info in holders
            ),
        )
        _print_remarks((gpu, info.lease.owner, remarks_on(info)) for gpu, info in holders)
        _print_kept(holders)


def _print_cards(found: Sequence[GpuInfo]) -> None:
    told: dict[str, Callable[[GpuInfo], str]] = {}
    if len({_type(gpu) for gpu in found}) > 1:
        told["!TYPE"] = lambda gpu: _short(_type(gpu))
    if len({gpu.pool for gpu in found}) > 1:
        told["!POOL"] = lambda gpu: gpu.pool
    alike = [] if "!TYPE" in told else [f"type {_with_models(found)}"]
    alike += [] if "!POOL" in told else [f"pool {found[0].pool}"]
    if alike:
        click.echo(f"Of {plain(', '.join(alike))}:")
    columns, rows = _columns_and_rows(found, told)
    if told and not fits(columns, rows):
        number_of = _print_kinds(found, told)
        columns, rows = _columns_and_rows(found, {">OF": lambda gpu: str(number_of[_kind(gpu)])})
    print_table(columns, rows)


def _print_kinds(
    found: Sequence[GpuInfo], told: Mapping[str, Callable[[GpuInfo], str]]
) -> Mapping[tuple[str, str], int]:
    """Print the types and pools of cards, whichever differ, numbered; return the numbers."""
    kinds: dict[tuple[str, str], list[GpuInfo]] = {}
    for gpu in found:
        kinds.setdefault(_kind(gpu), []).append(gpu)
    for number, alike in enumerate(kinds.values(), start=1):
        names = [f"type {_with_models(alike)}"] if "!TYPE" in told else []
        names += [f"pool {alike[0].pool}"] if "!POOL" in told else []
        click.echo(plain(f"Of {number}: {', '.join(names)}"))
    return {kind: number for number, kind in enumerate(kinds, start=1)}


def _kind(gpu: GpuInfo) -> tuple[str, str]:
    return _type(gpu), gpu.pool


def _columns_and_rows(
    found: Sequence[GpuInfo], told: Mapping[str, Callable[[GpuInfo], str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return a line a card; ``told``: what is told of a card besides, by column."""
    columns = ("!GPU", *told, ">USED", ">PROM.", ">LENDABLE", ">UTIL")
    rows = [
        (
            _name(gpu),
            *(tell(gpu) for tell in told.values()),
            _used_of(gpu),
            f"{gpu.overcommit:.2f} x",
            format_memory(gpu.report.lendable_mib),
            "-" if gpu.report.utilisation_percent is None else _told(_percent(gpu)),
        )
        for gpu in found
    ]
    return columns, rows


def _used_of(gpu: GpuInfo) -> str:
    """Return what is used of how much, with the unit once where both have it."""
    used, of = format_memory(gpu.report.used_mib), format_memory(gpu.report.memory_mib)
    unit = of.partition(" ")[2]
    return f"{used.removesuffix(f' {unit}') if gpu.report.used_mib else 0}/{of}"


def _type(gpu: GpuInfo) -> str:
    """Return what the quota document calls a card's type; of an older service's card the model."""
    return gpu.type_name or gpu.report.type


def _with_models(found: Sequence[GpuInfo]) -> str:
    """Return the type that cards have alike, and the models that it stands for there."""
    name, models = _type(found[0]), sorted({gpu.report.type for gpu in found})
    return name if models == [name] else f"{name} ({', '.join(models)})"


def _short(name: str) -> str:
    return name.removeprefix("NVIDIA ").removeprefix("Simulated ")


def _print_remarks(remarks: Iterator[tuple[GpuInfo, str, str]]) -> None:
    """Print what there is to remark of cards, or of an owner's slices there: what is alike once."""
    alike: dict[tuple[str, str, str], list[int]] = {}
    for gpu, owner, told in remarks:
        alike.setdefault((gpu.node, owner, told), []).append(gpu.report.index)
    for (node, owner, told), indices in alike.items():
        if told:
            what = ", ".join(filter(None, (f"{node} {_as_spans(indices)}", owner)))
            click.echo(f"{plain(what)}: {plain(told)}")


def _print_kept(holders: Sequence[tuple[GpuInfo, SliceInfo]]) -> None:
    """Print how shares and caps of slices are kept: how it stands with most of them last."""
    alike: dict[str, list[str]] = {}
    for gpu, info in holders:
        if told := kept_on(info):
            who = f"{_name(gpu)}, {info.lease.owner} ({purpose_of(info)})"
            alike.setdefault(told, []).append(who)
    *few, most = sorted(alike.items(), key=lambda each: len(each[1])) or [("", [])]
    for told, whose in few:
        click.echo(plain(f"{'; '.join(whose)}: {told}"))
    if most[0]:
        who = most[1][0] if len(most[1]) == 1 else f"{len(most[1])} slices"
        click.echo(plain(f"{who}: {most[0]}"))


def _as_spans(indices: Iterable[int]) -> str:
    """Return places of cards in few words: ``0-7, 9``."""
    spans: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        first, last = spans[-1] if spans else (index, index)
        if spans and index == last + 1:
            spans[-1] = first, index
        else:
            spans.append((index, index))
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def _name(gpu: GpuInfo) -> str:
    return f"{gpu.node} {gpu.report.index}"


def _percent(gpu: GpuInfo) -> int | None:
    return gpu.report.utilisation_percent


def _told(number: int | None, unit: str = "%") -> str:
    return "not told" if number is None else f"{number} {unit}"


def _holders(found: Sequence[GpuInfo]) -> Iterator[tuple[GpuInfo, SliceInfo]]:
    for gpu in found:
        for info in sorted(gpu.slices, key=_notebooks_first):
            yield gpu, info


def _notebooks_first(info: SliceInfo) -> tuple[bool, str]:
    return (info.lease.holder is Holder.JOB, info.lease.owner)


def _state(gpu: GpuInfo) -> str:
    """Return the worst that is to be said of a card, of the states that can be asked for."""
    if gpu.silent:
        return "silent"
    if gpu.report.closed or gpu.closing is not None or gpu.kept_out is not None:
        return "closed"
    unfit = gpu.report.unfit_reasons
    return "pause-only" if unfit or gpu.report.foreign_processes is not None else "open"


def _values(gpu: GpuInfo) -> list[object]:
    report = gpu.report
    return [
        gpu.node,
        report.index,
        report.gpu_id,
        report.type,
        _type(gpu),
        gpu.pool,
        _state(gpu),
        report.memory_mib,
        report.used_mib,
        gpu.promised_mib,
        report.lendable_mib,
        report.utilisation_percent,
        report.temperature_c,
        len(gpu.slices),
        " ".join(sorted({info.lease.owner for info in gpu.slices})),
        gpu.seen_at,
        remarks_on_gpu(gpu),
    ]


def _why_closed(gpu: GpuInfo) -> Iterator[str]:
    closed, closing = gpu.report.closed, gpu.closing
    if closed:
        yield f"closed: {closed}"
    elif closing is not None:
        yield f"closed by an admin: {closing.reason}"
    if closing is not None and closing.closed_by not in (closed or ""):
        yield f"closed by {closing.closed_by} at {clock(closing.closed_at)}"
    if gpu.kept_out is not None:
        yield f"closed: {gpu.kept_out}"


def remarks_on_gpu(gpu: GpuInfo, *, simulated: bool = True) -> str:
    """Return in words whatever an admin should know of a card; ``simulated``: that too."""
    report, foreign = gpu.report, gpu.report.foreign_processes
    remarks = []
    if report.simulated and simulated:
        remarks.append("simulated")
    remarks.extend(_why_closed(gpu))
    if foreign is not None:
        who = foreign_clause(
            foreign.count,
            foreign.pids,
            foreign.held_mib,
            memory_told=foreign.memory_told,
            utilisation_percent=foreign.utilisation_percent,
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
