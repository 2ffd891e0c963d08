"""Slices in words, for every table that shows some."""

from datetime import UTC, datetime

from sublet_quota.amounts.gpu_amounts import format_compute, format_held, format_memory
from sublet_quota.reasons.idle_servers import SparingJob, spared_clause
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.reasons.standings import activity_of, standing_word
from sublet_quota.reasons.staying import moved_clause, moving_clause
from sublet_quota.reasons.waiting import wait_clause
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import Lease, SliceInfo

from sublet_lab.command_line.tables import ago, duration
from sublet_lab.share.quota_words import rank_in_words


def size_of(info: SliceInfo) -> str:
    """Return the size in words: ``40 GiB, 0.5 GPU``."""
    return f"{format_memory(info.lease.memory_mib)}, {format_compute(info.lease.compute_milli)}"


def state_of(info: SliceInfo) -> str:
    """Return in words how a slice stands, and for how long its owner has worked, or has not."""
    report, standing = info.report, info.standing
    if info.silent:
        return f"not reachable, last seen {ago(info.seen_at)}"
    if report is None or standing is None:
        return "unknown to its agent"
    activity = activity_of(active=report.active)
    since = f"{standing_word(activity)} {duration(datetime.now(UTC) - report.since)}"
    return since if standing.code == activity else f"{standing.word}, {since}"


def purpose_of(info: SliceInfo) -> str:
    """Return for what a slice is: the name of its server, ``notebook`` or ``job``."""
    return "job" if info.lease.holder is Holder.JOB else (info.lease.server or "notebook")


def place_of(lease: Lease) -> str:
    """Return the card that a slice is on, with its node and type."""
    return f"{lease.node} {lease.gpu_index} ({lease.gpu_type})"


def held_by(info: SliceInfo) -> str:
    """Return in words what a slice holds on the GPU, and in host memory."""
    return " + ".join(filter(None, (held_on_gpu(info), in_host(info))))


def held_on_gpu(info: SliceInfo) -> str:
    """Return in words what a slice holds on the GPU; a dash where nothing is known."""
    report = info.report
    return "-" if report is None else format_held(report.memory_mib, told=report.memory_told)


def in_host(info: SliceInfo) -> str:
    """Return in words what a slice holds in host memory; empty for nothing."""
    held = 0 if info.report is None else info.report.host_mib
    return f"{format_memory(held)} in host memory" if held else ""


def advice_on(info: SliceInfo) -> list[str]:
    """Return what a slice's owner can do about what is not as it should be, a line each.

    Why a slice was called back, and what becomes of it, is told with that.
    """
    told = [warning.advice for warning in info.warnings if warning.advice]
    if info.rank is not None and info.rank.code == RankCode.CALLED_BACK:
        told.insert(0, info.rank.meaning)
    return [f"{info.lease.slice_id}: {each}" for each in told]


def kept_on(info: SliceInfo) -> str:
    """Return in words how it stands with a slice's compute share and memory cap, if it is told."""
    compute, cap = info.compute_kept, info.cap_kept
    told = [] if compute is None else [f"compute share {compute.words}"]
    if cap is not None:
        told.append(f"memory cap kept by {cap.words}")
    return "; ".join(told)


def remarks_on(info: SliceInfo) -> str:
    """Return in words whatever a slice's owner should know."""
    remarks = [] if info.rank is None else [rank_in_words(info.rank)]
    if info.group is not None:
        remarks.append(f"paid by {info.group}")
    if info.moving_to is not None:
        remarks.append(moving_clause(info.moving_to))
    elif info.came_at is not None:
        remarks.append(moved_clause(info.came_from, f"{info.came_at.astimezone():%H:%M}"))
    report = info.report
    if report is not None and report.move is not None:
        remarks.append(f"{report.move.kind} {format_memory(report.move.bytes_mib)}")
    if report is not None and report.wait is not None:
        wait = report.wait
        others = f" for {', '.join(info.waits_for)}" if info.waits_for else ""
        remarks.append(f"waits ({wait_clause(wait.reason)}, place {wait.place}){others}")
    if info.lent_to:
        remarks.append(f"lent to {', '.join(info.lent_to)}")
    if info.kept_until is not None and info.kept_until > datetime.now(UTC):
        remarks.append(f"not lent until {info.kept_until.astimezone():%H:%M}")
    if info.idle_end is not None:
        remarks.append(f"ended at {info.idle_end.ends_at.astimezone():%Y-%m-%d %H:%M} if idle")
    remarks += [told.clause for told in info.warnings]
    if info.idle_spared is not None:
        spared = info.idle_spared
        remarks.append(spared_clause(SparingJob(spared.job_name, spared.runs, spared.others)))
    return "; ".join(remarks)
