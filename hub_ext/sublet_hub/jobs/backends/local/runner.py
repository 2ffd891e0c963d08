"""Runs placed jobs as processes of their owners on this machine, to their end.

One ``round`` looks at every job and does what is due; it is called each second, and at once when
something happened. Whatever the service knows of a running job is in the ledger and in files, so
a service that was killed takes up its jobs where they are.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import psutil
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import JobId, SliceId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.errors import AccountError
from sublet_hub.host.clock import read_boot_id
from sublet_hub.host.process_identity import is_alive
from sublet_hub.jobs import changes
from sublet_hub.jobs.backends.local.endings import Run, seen_of, was_told_to_end
from sublet_hub.jobs.backends.local.job_output import WRITES_WITHIN_S, JobWriters
from sublet_hub.jobs.backends.local.processes import (
    Child,
    JobTree,
    Launch,
    end_tree,
    start_held,
    watch_exit,
)
from sublet_hub.jobs.endings import (
    Ending,
    Lost,
    PrintedLog,
    change_of,
    ending_of,
    evicted,
    lost_gpu_state,
    wish_to_end,
)
from sublet_hub.jobs.environment import job_environment
from sublet_hub.jobs.folders import paths_of
from sublet_hub.jobs.log_retention import LogRoom, make_room_of
from sublet_hub.jobs.order.job_slices import has_no_fractions
from sublet_hub.jobs.progress import Progress, ProgressFile
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord, StartedProcess
from sublet_hub.settings import JobSettings, ServiceSettings
from sublet_hub.slices.lease import lease_of
from sublet_hub.state.isolation import Isolation
from sublet_hub.state.stores import Stores

_LOG = logging.getLogger(__name__)
_SILENT_FOR = timedelta(seconds=30)
_EVICTION_IS_TOLD_WITHIN = timedelta(seconds=3)
"""How long after a job's end its agent may still say that it has ended the job."""
_SILENT_AGENT_IS_AWAITED = timedelta(seconds=60)
"""How long an agent that is silent is awaited: what it knows of a job's end, it says later."""
_SLICE_GONE = JobReason(JobReasonCode.SLICE_GONE)


class LocalRunner:
    """The backend that runs jobs as processes on this machine."""

    def __init__(self, stores: Stores, settings: JobSettings, room: LogRoom, boot_id: str) -> None:
        self._stores = stores
        self._settings = settings
        self._room = room
        self._boot_id = boot_id
        self._runs: dict[JobId, Run] = {}
        self._isolation = Isolation()
        self._on_news: Callable[[], None] = lambda: None
        self._silent_since: dict[JobId, datetime] = {}
        self._writers = JobWriters(stores.files, room.a_job, boot_id)
        self._unkilled: list[Child] = []
        """They are waited for, else they would be zombies when they end at last."""

    def on_news(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when a round is due at once."""
        self._on_news = listener

    def adopt(self) -> None:
        """Take up the jobs that ran when the service ended."""
        for job in list(self._stores.ledger.live_jobs.values()):
            record = self._slice_of(job)
            if job.state is JobState.WAITING:
                continue
            if record is None:
                self._apply(changes.went_back(job, _SLICE_GONE, self._stores.now()))
            elif job.process is not None:
                self._watch(job, record, job.process, None)
                _LOG.info("job %s is taken up (pid %d)", job.job_id, job.process.pid)

    def round(self) -> None:
        """Look at every job, and do what is due."""
        self._unkilled = [child for child in self._unkilled if child.poll() is None]
        self._writers.reap()
        for job in list(self._stores.ledger.live_jobs.values()):
            with self._isolation.of(f"job {job.job_id}"):
                if job.state is JobState.PLACED:
                    self._look_at_placed(job)
                elif job.state is JobState.RUNNING and job.job_id in self._runs:
                    self._look_at_running(job, self._runs[job.job_id])

    def evict(self, slice_id: SliceId, why: str) -> None:
        """End a job that an owner needs the room of; it goes back to the queue."""
        self._send_back(slice_id, evicted(why))

    def lose(self, slice_id: SliceId, why: str) -> None:
        """End a job whose GPU state is lost; it goes back to the queue, a few times."""
        self._send_back(slice_id, lost_gpu_state(why))

    async def close(self) -> None:
        """Stop watching; the jobs run on."""
        # All at once: a job that comes to its end meanwhile is among the runs no longer.
        ending = [run.task for run in self._runs.values() if run.task is not None]
        for run in self._runs.values():
            run.stop_watch()
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _send_back(self, slice_id: SliceId, seen: Lost) -> None:
        ledger = self._stores.ledger
        record = ledger.slices.get(slice_id)
        # Of the live ones, which are in memory: a row that cannot be read is none of them.
        job_id = None if record is None else record.job_id
        job = None if job_id is None else ledger.live_jobs.get(job_id)
        if job is None:
            return
        run, settings = self._runs.get(job.job_id), self._settings
        if run is None:
            self._apply(changes.went_back(job, seen.why, self._stores.now()))
        else:
            self._end(run, ending_of(job, seen, settings.most_attempts), settings.grace)

    def _look_at_placed(self, job: JobRecord) -> None:
        record, now = self._slice_of(job), self._stores.now()
        if record is None:
            self._apply(changes.went_back(job, _SLICE_GONE, now))
            return
        if self._stores.fleet.is_silent(record.gpu.node):
            since = self._silent_since.setdefault(job.job_id, now)
            if now - since > _SILENT_FOR:
                del self._silent_since[job.job_id]
                why = JobReason(JobReasonCode.AGENT_SILENT, {"node": record.gpu.node})
                self._apply(changes.went_back(job, why, now))
            return
        self._silent_since.pop(job.job_id, None)
        report = self._stores.fleet.report(record.slice_id)
        if report is not None and report.gate_open:
            self._start(job, record)

    def _start(self, job: JobRecord, record: SliceRecord) -> None:
        stores = self._stores
        account = stores.accounts.find(job.owner)
        if account is None:
            why = JobReason(JobReasonCode.ACCOUNT_UNKNOWN)
            self._apply(changes.ended(job, JobMove.FAIL, stores.now(), why))
            return
        template = account.template
        paths = paths_of(job, template)
        output = str(paths.output)
        try:
            environment = job_environment(
                template,
                stores.files.environment(job.job_id),
                (job.job_id, lease_of(record)),
                self._settings,
                fractions=not has_no_fractions(record),
            )
            with self._writers.begin(job.job_id, job.attempts + 1) as pipes:
                launch = Launch(template, environment, pipes.log, pipes.progress)
                held = start_held(launch, self._boot_id)
                pipes.follow(held.child.pid)
        except (AccountError, OSError, ValueError, psutil.Error) as error:
            why = JobReason(JobReasonCode.CANNOT_START, told=str(error))
            self._apply(changes.ended(job, JobMove.FAIL, stores.now(), why))
            return
        try:
            self._apply(changes.started(job, record, held.identity, output, stores.now()))
        except Exception:
            held.give_up()
            raise
        held.let_go(json.dumps(paths.run_request(job)).encode())
        self._watch(stores.ledger.jobs[job.job_id], record, held.identity, held.child)

    def _watch(
        self,
        job: JobRecord,
        record: SliceRecord,
        process: StartedProcess,
        child: Child | None,
    ) -> None:
        stores = self._stores
        path = stores.files.progress_path(job.job_id, job.attempts)
        tree = JobTree(job.job_id, record.uid, process, self._boot_id, record.slice_id)
        run = Run(tree, ProgressFile(path), child, lambda: None)
        self._runs[job.job_id] = run
        if is_alive(process, self._boot_id):
            run.stop_watch = watch_exit(process, lambda: self._await_writer(run))
        else:
            self._await_writer(run)

    def _await_writer(self, run: Run) -> None:
        """Note a job's exit when its writer has written what it had said, or is given up."""
        job_id = run.tree.job_id
        writer = self._writers.find(job_id)
        if writer is None:
            self._exited(run)
            return

        def give_up() -> None:
            self._writers.kill(job_id)
            self._exited(run)

        given_up = asyncio.get_running_loop().call_later(WRITES_WITHIN_S, give_up)
        stop = watch_exit(writer, lambda: self._exited(run))

        def stop_both() -> None:
            given_up.cancel()
            stop()

        run.stop_watch = stop_both

    def _exited(self, run: Run) -> None:
        run.stop_watch()
        if run.exited_at is None:
            run.exited_at = self._stores.now()
            self._on_news()

    def _look_at_running(self, job: JobRecord, run: Run) -> None:
        progress = run.progress.read() if run.exited_at is None else run.progress.read_end()
        job = self._note_progress(job, progress)
        stores = self._stores
        if run.task is not None and not run.task.done():
            return
        if run.task is not None and run.task.exception() is not None:
            _LOG.error(
                "ending job %s failed: trying again", job.job_id, exc_info=run.task.exception()
            )
            run.task = None
            if run.ending is not None:
                self._end(run, run.ending, run.grace)
                return
        run.task = None
        if run.exited_at is not None:
            if self._awaits_agent(job, run, run.exited_at):
                return
            # Kernels may have outlived their parent: nobody's memory is held by the dead.
            ending = ending_of(job, seen_of(run), self._settings.most_attempts)
            self._end(run, ending, timedelta())
            return
        printed = stores.files.bytes_written(job.job_id, job.attempts)
        log = PrintedLog(printed, self._room.a_job)
        wish = wish_to_end(job, log, stores.stood(job.slice_id), stores.now())
        if wish is not None:
            self._end(run, wish, self._settings.grace)

    def _awaits_agent(self, job: JobRecord, run: Run, exited_at: datetime) -> bool:
        """Whether a job's agent may yet say that it has ended the job."""
        record, now = self._slice_of(job), self._stores.now()
        if job.cancel_asked_at is not None or record is None or run.tree.rebooted:
            return False
        if not was_told_to_end(run):
            return False
        if run.agent_heard_at is None:
            if self._stores.fleet.is_silent(record.gpu.node):
                return now - exited_at < _SILENT_AGENT_IS_AWAITED
            run.agent_heard_at = now
        return now - run.agent_heard_at < _EVICTION_IS_TOLD_WITHIN

    def _note_progress(self, job: JobRecord, progress: Progress) -> JobRecord:
        total = job.cells_total if progress.cells_total is None else progress.cells_total
        cell = progress.current_cell
        if (progress.cells_done, total, cell) == (
            job.cells_done,
            job.cells_total,
            job.current_cell,
        ):
            return job
        after = replace(job, cells_done=progress.cells_done, cells_total=total, current_cell=cell)
        self._apply(Change(jobs=(after,)))
        return after

    def _end(self, run: Run, ending: Ending, grace: timedelta) -> None:
        if run.task is None:
            run.ending, run.grace = ending, grace
            run.task = asyncio.get_running_loop().create_task(self._end_all(run, ending))

    async def _end_all(self, run: Run, ending: Ending) -> None:
        if not await end_tree(run.tree, run.grace.total_seconds()):
            ending = replace(ending, why=ending.why.under(unkilled=1))
        run.stop_watch()
        # Before its end is told: what it has written is not looked at any more, and ends.
        root_lives = is_alive(run.tree.root, self._boot_id)
        await self._writers.end(run.tree.job_id, at_once=root_lives)
        stores = self._stores
        await make_room_of(stores.ledger, stores.files, run.tree.job_id, self._room)
        job = self._stores.ledger.jobs.get(run.tree.job_id)
        if job is None or job.state is not JobState.RUNNING:
            return
        job = self._note_progress(job, run.progress.read_end())
        code = None if run.child is None else run.child.poll()
        if run.child is not None and code is None:
            self._unkilled.append(run.child)
        ending, now = replace(ending, exit_code=code), stores.now()
        try:
            self._apply(change_of(job, ending, now))
        except LedgerWriteError:
            # It may be the job's own words that cannot be stored: it must not run for ever.
            _LOG.exception("the end of job %s cannot be stored in its own words", job.job_id)
            unstored = JobReason(JobReasonCode.END_NOT_STORED)
            self._apply(change_of(job, replace(ending, why=unstored), now))
        del self._runs[job.job_id]
        self._on_news()

    def _slice_of(self, job: JobRecord) -> SliceRecord | None:
        return None if job.slice_id is None else self._stores.ledger.slices.get(job.slice_id)

    def _apply(self, change: Change) -> None:
        self._stores.ledger.apply(change, self._stores.now())


def runner_of(stores: Stores, settings: ServiceSettings) -> LocalRunner:
    """Return the runner of a service that is set up so."""
    limits = settings.limits
    room = LogRoom(limits.log_bytes, limits.owner_logs_bytes)
    return LocalRunner(stores, settings.jobs, room, read_boot_id())
