"""A share in words: the same in the widget and in what ``%sublet`` prints.

How the slice stands and what is not as it should be is said in the agent's own words; numbers
follow the rules of JupyterLab's panel (``src/model/situation.ts``). Plain text, one fact a line.
Names of GPUs, users and groups come from others: their control characters are shown, not obeyed,
and the widget escapes them once more.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_compute, format_held, format_memory
from sublet_quota.reasons.standings import Standing, activity_of, standing_word
from sublet_quota.reasons.staying import moved_clause, moving_clause
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire import api
from sublet_quota.wire.schema import CONTROLS
from sublet_quota.wire.share import WeekUse
from sublet_quota.wire.tenant_socket import LocalShare, ShareMove

from sublet_lab.share.quota_words import quota_lines, rank_explained

NEARLY_FULL: Final = 0.9
"""The part of its cap in use from which on a share warns."""

_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Standing.ACTIVE: "●",
        Standing.IDLE: "○",
        Standing.LENT: "⇄",
        Standing.MOVED_OUT: "○",
        Standing.COMING_BACK: "↻",
        Standing.WAITING: "…",
        Standing.LEAVING: "↧",
    }
)
_UNKNOWN_SIGN: Final = "·"


def sign(share: LocalShare) -> str:
    """Return the sign of how the slice stands; a dot for a standing that is not known here."""
    return _SIGNS.get(share.standing.code, _UNKNOWN_SIGN)


def used_mib(share: LocalShare) -> int:
    """Return how much is in use in MiB, on the GPU and in host memory."""
    if share.move is None:
        return share.memory_mib + share.host_mib
    # While it moves, a byte may be counted on both sides.
    return max(share.memory_mib, share.host_mib, share.move.bytes_mib)


def headline(share: LocalShare, as_of: datetime | None = None) -> str:
    """Return ``GPU 10 GiB of 40 GiB: active``; with ``as_of``, also when that was so."""
    used = format_held(used_mib(share), told=share.memory_told)
    cap = format_memory(share.cap_mib)
    when = "" if as_of is None else f", as of {as_of.astimezone():%H:%M}"
    return f"GPU {used} of {cap}: {plain(share.standing.word)}{when}"


def local_lines(share: LocalShare) -> list[str]:
    """Return what the agent says of the slice, one fact a line."""
    simulated = ", simulated" if share.simulated else ""
    activity = standing_word(activity_of(active=share.active))
    lines = [
        plain(share.standing.meaning),
        f"{plain(share.gpu_type)}{simulated}",
        *kept_lines(share),
        f"{activity} since {share.since.astimezone():%H:%M:%S}",
    ]
    if share.utilisation_percent is None:
        lines.append("how much of the GPU's time it uses is not told")
    elif share.active or share.utilisation_percent:
        lines.append(f"uses {share.utilisation_percent} % of the GPU's time")
    if share.host_mib:
        lines.append(f"{format_memory(share.host_mib)} of it is in host memory, safe")
    if share.move is not None:
        lines.append(move_line(share.move, None))
    if share.wait is not None:
        lines.append(plain(share.wait.message))
    lines += [plain(told.line) for told in share.warnings]
    return lines


def kept_lines(share: LocalShare) -> list[str]:
    """Return how it stands with compute share and memory cap, as far as that is told."""
    compute, cap = share.compute_kept, share.cap_kept
    stands = "" if compute is None else f": {plain(compute.words)}"
    lines = [f"compute share {format_compute(share.compute_milli)}{stands}"]
    if cap is not None:
        lines.append(f"memory cap kept by {plain(cap.meaning)}")
    return lines


def process_lines(share: LocalShare) -> list[str]:
    """Return what each process of the slice holds, one a line."""
    return [
        f"process {p.pid}"
        + (f" (kernel {plain(p.kernel[:8])})" if p.kernel else "")
        + f": {format_held(p.memory_mib, told=p.memory_told)}"
        + (f", {format_memory(p.host_mib)} in host memory" if p.host_mib else "")
        for p in share.processes
    ]


def service_lines(share: api.Share, slice_id: str | None) -> list[str]:
    """Return what the service says: what admins tell, quota, and to whom this slice is lent."""
    lines = [
        f"from {'an admin' if told.from_admin else 'Sublet'}: {plain(told.text)}"
        for told in share.announcements
    ]
    lines += [] if share.quota is None else [plain(line) for line in quota_lines(share.quota)]
    for info in share.slices:
        if info.lease.slice_id == slice_id:
            lines += _rank_lines(info) + _lending_lines(info)
    if not share.lending:
        lines.append("lending is switched off")
    jobs = [info for info in share.slices if info.lease.holder is Holder.JOB]
    if share.jobs_running or share.jobs_waiting or jobs:
        lines.append(f"jobs: {jobs_in_words(share)}")
    if share.servers_waiting:
        lines.append(f"in line for a slice: {in_line_in_words(share)}")
    return lines


def jobs_in_words(share: api.Share) -> str:
    """Return how many jobs an owner has that have begun, and that have not."""
    still = f" ({share.jobs_stopped} of them not now)" if share.jobs_stopped else ""
    return f"{share.jobs_running} running{still}, {share.jobs_waiting} waiting"


def in_line_in_words(share: api.Share) -> str:
    """Return how many of an owner's servers are in line for a slice; empty where none is."""
    count = share.servers_waiting
    if not count:
        return ""
    return f"{count} server{'' if count == 1 else 's'} (sublet queue tells where)"


def week_line(week: WeekUse) -> str:
    """Return GPU hours, energy and hours lent of the week, as one line."""
    energy = "" if week.energy_wh is None else f", {week.energy_wh / 1000:.2f} kWh"
    return (
        f"the last seven days: {week.gpu_hours:.1f} GPU hours{energy}, "
        f"lent for {week.lent_hours:.1f} hours"
    )


def move_line(move: ShareMove, now: datetime | None) -> str:
    """Return what moves, how far it has come and, with ``now``, how much longer it takes."""
    way = "comes back to the GPU" if move.kind == "resuming" else "is moved to host memory"
    amount = format_memory(move.bytes_mib)
    arrived = "" if move.moved_mib is None else f": {format_memory(move.moved_mib)} so far"
    if now is None:
        return f"{amount} {way}{arrived}"
    left_s = max(0.0, move.expected_s - elapsed_s(move, now))
    return f"{amount} {way}{arrived}, about {left_s:.0f} s left"


def elapsed_s(move: ShareMove, now: datetime) -> float:
    """Return for how many seconds a move is under way, by the agent's clock where that is told."""
    if move.elapsed_s is not None:
        return move.elapsed_s
    return max(0.0, (now - move.began).total_seconds())


def is_nearly_full(share: LocalShare) -> bool:
    """Whether the slice is near its cap, or beyond it."""
    return share.over_cap or used_mib(share) >= NEARLY_FULL * share.cap_mib > 0


def plain(text: str) -> str:
    """Return a text with its control characters shown, not obeyed."""
    return CONTROLS.sub(
        lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text
    )


def _rank_lines(info: api.SliceInfo) -> list[str]:
    """Return who pays for a slice, and whether it is guaranteed or borrowed."""
    lines = [] if info.group is None else [f"paid by {plain(info.group)}"]
    if info.rank is not None:
        lines.append(plain(rank_explained(info.rank)))
    if info.moving_to is not None:
        lines.append(f"it {moving_clause(info.moving_to)}")
    elif info.came_at is not None:
        at = f"{info.came_at.astimezone():%H:%M}"
        lines.append(f"it {moved_clause(info.came_from, at)}")
    return lines


def _lending_lines(info: api.SliceInfo) -> list[str]:
    lines = []
    if info.lent_to:
        since = "" if info.lent_since is None else f" since {info.lent_since.astimezone():%H:%M}"
        lines.append(f"lent to {plain(', '.join(info.lent_to))}{since}")
    elif info.last_lent is not None:
        last = info.last_lent
        lines.append(
            f"last lent to {plain(last.to)} from {last.from_.astimezone():%H:%M} "
            f"to {last.until.astimezone():%H:%M}"
        )
    if info.waits_for:
        lines.append(f"waits for {plain(', '.join(info.waits_for))}")
    if info.kept_until is not None:
        lines.append(f"not lent until {info.kept_until.astimezone():%H:%M}")
    return lines
