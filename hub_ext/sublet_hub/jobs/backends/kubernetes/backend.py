"""Runs jobs as pods: what the ledger wants and what the cluster has are made equal, job by job.

A round looks at every job; it comes with each word of a watch. What is to be done in the cluster
is done in a task, one for each job at a time. Nothing but the ledger and the cluster's objects is
needed to go on after a restart: an attempt's object has the name that the ledger gives it, and an
object that belongs to no job's attempt is removed.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.life_cycles.job_states import ENDED, JobMove, JobState
from sublet_quota.names.ids import JobId, NodeId, SliceId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.jobs.backends.kubernetes.attempts.changes import (
    placed_by_cluster,
    pods_started,
    started_pod,
)
from sublet_hub.jobs.backends.kubernetes.attempts.pending import PendingJobs
from sublet_hub.jobs.backends.kubernetes.attempts.preparation import Attempts
from sublet_hub.jobs.backends.kubernetes.attempts.status import (
    WITHOUT_PODS,
    JobStatus,
    Runs,
    SeenPod,
    Waits,
    is_over,
    is_suspended,
    last_words,
    read_status,
    seen_pods,
)
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.job_logs import JobOutput
from sublet_hub.jobs.backends.kubernetes.kueue_word import KueueWord
from sublet_hub.jobs.backends.kubernetes.lent_quota import LentQuota
from sublet_hub.jobs.backends.kubernetes.making import Making
from sublet_hub.jobs.backends.kubernetes.object_tasks import TRY_AGAIN_AFTER, ObjectTasks
from sublet_hub.jobs.backends.kubernetes.objects.manifests import resource_of
from sublet_hub.jobs.backends.kubernetes.objects.names import object_name
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.backends.kubernetes.removal import Removal
from sublet_hub.jobs.changes import waits_for, with_all_slices
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
from sublet_hub.jobs.folders import paths_of
from sublet_hub.jobs.log_retention import LogRoom
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.slices.pods import Pods
from sublet_hub.state.isolation import Isolation
from sublet_hub.state.stores import Stores

_LOG_ENDS_WITHIN: Final = timedelta(seconds=15)
_SLICE_GONE: Final = Ending(JobMove.GO_BACK, JobReason(JobReasonCode.SLICE_GONE))


class KubernetesJobs:
    """The jobs that run in the cluster."""

    def __init__(
        self,
        cluster: JobsInCluster,
        stores: Stores,
        pods: Pods,
        settings: KubeJobSettings,
        quota: LentQuota | None = None,
    ) -> None:
        self._cluster = cluster
        self._quota = quota
        self._stores = stores
        self._pods = pods
        self._settings = settings
        self._attempts = Attempts(stores, settings)
        self._on_news: Callable[[], None] = lambda: None
        self._object_tasks = ObjectTasks(stores.now)
        self._word = KueueWord(cluster, settings)
        self._removal = Removal(cluster, self._object_tasks, self._word)
        self._output = JobOutput(
            cluster, stores, LogRoom(settings.log_bytes, settings.owner_logs_bytes)
        )
        self._endings: dict[JobId, Ending] = {}
        self._over: dict[JobId, tuple[datetime, Ending]] = {}
        """The jobs that are over for the cluster: since when, and the best word of why."""
        self._pending = PendingJobs(settings)
        self._making = Making(
            cluster=cluster,
            stores=stores,
            settings=settings,
            attempts=self._attempts,
            pending=self._pending,
            tasks=self._object_tasks,
            endings=self._endings,
            say=self._say,
        )
        self._isolation = Isolation()

    def on_news(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when a round is due at once."""
        self._on_news = listener
        self._cluster.on_change(listener)
        self._object_tasks.on_done = listener

    def adopt(self) -> None:
        """Begin to watch; what runs is taken up once the cluster has told of it."""
        self._cluster.start()
        if self._quota is not None:
            self._object_tasks.run("the quota of lent room", self._quota.run())

    def round(self) -> None:
        """Look at every job, and do what is due."""
        if not self._cluster.synced:
            return
        self._attempts.nodes.begin_round()
        for job in list(self._stores.ledger.live_jobs.values()):
            with self._isolation.of(f"job {job.job_id}"):
                self._look_at(job)
        self._pending.keep_only(self._stores.ledger.live_jobs)
        own_queue = self._settings.kueue is None
        self._removal.remove_orphans(self._stores.ledger.live_jobs, own_queue=own_queue)

    def evict(self, slice_id: SliceId, why: str) -> None:
        """Have a job go back to the queue, which had to leave its card."""
        self._send_back(slice_id, evicted(why))

    def lose(self, slice_id: SliceId, why: str) -> None:
        """Have a job whose GPU state is lost go back to the queue, a few times."""
        self._send_back(slice_id, lost_gpu_state(why))

    async def close(self) -> None:
        """Stop watching; the jobs run on."""
        await self._cluster.close()
        await self._object_tasks.close()
        await self._output.close()

    def _look_at(self, job: JobRecord) -> None:
        name = object_name(job)
        resource = resource_of(job, self._settings)
        owner = self._cluster.owner(resource, name)
        pods = self._pods_of(job)
        ending = self._endings.get(job.job_id)
        if ending is not None:
            self._end_when_gone(job, ending, owner, pods)
            return
        seen = read_status(owner, pods, job.gpus)
        if isinstance(seen, Lost) and seen.why.code in WITHOUT_PODS:
            seen = last_words(seen, self._cluster.removed_pods_of(resource, name), job.gpus)
        match job.state:
            case JobState.WAITING:
                self._look_at_waiting(job, owner, seen)
            case JobState.PLACED:
                self._look_at_placed(job, owner, seen)
            case JobState.RUNNING:
                self._look_at_running(job, owner, seen)
            case _:
                pass

    def _look_at_waiting(self, job: JobRecord, owner: Manifest | None, seen: JobStatus) -> None:
        """Look at a waiting job where Kueue says which is next; else the service's queue does."""
        if self._settings.kueue is None:
            return
        if owner is None:
            former = self._word.held(job)
            if former is not None:
                self._say(job.job_id, self._word.why_waits(former))
            elif not self._pending.rests(job.job_id, self._stores.now()):
                self._making.make(job, None)
            return
        if is_suspended(owner):
            self._look_at_queued(job, owner)
            return
        if self._ends_unbegun(job, seen):
            return
        pods = seen_pods(self._pods_of(job))
        slices = self._attempts.slices_on(job, pods) if len(pods) == job.gpus else None
        if slices is not None:
            records, held = slices
            self._apply(placed_by_cluster(job, records, held, self._stores.now()))
            self._on_news()
        elif isinstance(seen, Waits):
            self._look_at_pending(job, seen)

    def _look_at_queued(self, job: JobRecord, owner: Manifest) -> None:
        """Look at a job that Kueue has not let begin; where it can run elsewhere, make it anew."""
        self._pending.forget(job.job_id)
        stays = self._word.is_deactivated(owner)
        anew = None if stays else self._attempts.why_anew(job, owner)
        if anew is None:
            self._pending.note_suitable(job.job_id)
        elif self._attempts.nodes.is_bound(job) or self._pending.suits_no_more(
            job.job_id, self._stores.now()
        ):
            # That costs its place in the cluster's queue: where it only could run elsewhere, too,
            # it keeps that for a while.
            self._endings[job.job_id] = Ending(JobMove.GO_BACK, anew)
            return
        self._say(job.job_id, self._word.why_waits(owner))

    def _look_at_placed(self, job: JobRecord, owner: Manifest | None, seen: JobStatus) -> None:
        record = self._slice_of(job)
        if record is None:
            self._endings[job.job_id] = _SLICE_GONE
            return
        if owner is None:
            self._making.make(job, record)
            self._look_at_pending(job, Waits(job.reason))
            return
        if self._settings.kueue is not None and is_suspended(owner):
            self._queue_again(job, owner)
            return
        if isinstance(seen, Waits):
            self._note_pods(record, seen.pods)
            nodes = {NodeId(pod.node) for pod in seen.pods if pod.node}
            elsewhere = self._attempts.nodes.in_use_elsewhere(job, nodes) if nodes else None
            if elsewhere is not None:
                why = JobReason(JobReasonCode.FILES_ELSEWHERE, {"node": elsewhere})
                self._end_unbegun(job, Ending(JobMove.GO_BACK, why))
                return
            self._look_at_pending(job, seen)
            return
        if self._ends_unbegun(job, seen):
            return
        self._pending.note_begun(job.job_id)
        if isinstance(seen, Runs):
            self._note_pods(record, seen.pods)
        # One that has ended already has begun, too: the next round sees its end.
        names = tuple(p["metadata"]["name"] for p in self._pods_of(job))
        account = self._stores.accounts.find(job.owner)
        output = "" if account is None else str(paths_of(job, account.template).output)
        self._apply(pods_started(job, names, output, self._stores.now()))
        self._on_news()

    def _queue_again(self, job: JobRecord, owner: Manifest) -> None:
        """Let a job wait again whose room Kueue took before it began.

        Its place in the cluster's queue is its object's, so that stays.
        """
        if all(is_over(pod, self._stores.now()) for pod in self._pods_of(job)):
            self._end(job, Ending(JobMove.GO_BACK, self._word.why_taken(owner)))

    def _ends_unbegun(self, job: JobRecord, seen: JobStatus) -> bool:
        """Whether a job is over before it began; one that has ended by itself has begun, too."""
        ending = self._ending_of(job, seen)
        if ending is None or ending.move is JobMove.FINISH or ending.exit_code is not None:
            return False
        self._end_unbegun(job, ending)
        return True

    def _look_at_pending(self, job: JobRecord, seen: Waits) -> None:
        if seen.why.code is JobReasonCode.PODS_BEING_MADE:
            seen = self._without_pods(job, seen)
        self._say(job.job_id, seen.why)
        ending = self._pending.ending_of(job.job_id, seen, job.gpus, self._stores.now())
        if ending is None:
            return
        if seen.unexplained:
            asking = self._end_with_words(job, ending, seen.pods)
            self._object_tasks.run(f"what {object_name(job)} waits for", asking)
        else:
            self._end_unbegun(job, ending)

    def _without_pods(self, job: JobRecord, seen: Waits) -> Waits:
        """Return it with why there are no pods, which the cluster is asked for now and then."""
        owner = self._cluster.owner(resource_of(job, self._settings), object_name(job))
        if owner is not None and self._pending.lacks_pods(job.job_id, self._stores.now()):
            asking = f"why {object_name(job)} has no pods"
            self._object_tasks.run(asking, self._ask_for_refusal(job.job_id, asking, owner))
        return self._pending.refused(job.job_id, seen)

    async def _ask_for_refusal(self, job_id: JobId, task: str, owner: Manifest) -> None:
        self._pending.note_refusal(job_id, await self._cluster.refusal_of(owner))
        self._object_tasks.rest(task, TRY_AGAIN_AFTER)

    async def _end_with_words(
        self, job: JobRecord, ending: Ending, pods: tuple[SeenPod, ...]
    ) -> None:
        """End an attempt with what its container waited for, which the kubelet says in events."""
        warnings = [await self._cluster.warning_of(pod) for pod in pods]
        words = next(filter(None, warnings), "")
        now_known = self._stores.ledger.live_jobs.get(job.job_id)
        if now_known is None or now_known.state is not job.state or job.job_id in self._endings:
            return
        told = ": ".join(filter(None, (ending.why.told, words)))
        self._end_unbegun(now_known, replace(ending, why=replace(ending.why, told=told)))

    def _end_unbegun(self, job: JobRecord, ending: Ending) -> None:
        """End an attempt before it began; Kueue would admit it at once, so it rests there first."""
        if job.state is JobState.WAITING and ending.move is JobMove.GO_BACK:
            rest = self._pending.rest(job.job_id, self._stores.now())
            ending = replace(ending, why=ending.why.under(rest_s=round(rest.total_seconds())))
        self._endings[job.job_id] = ending
        self._on_news()

    def _look_at_running(self, job: JobRecord, owner: Manifest | None, seen: JobStatus) -> None:
        self._output.follow(job, self._pods_of(job))
        job = self._output.note_progress(job)
        ending = self._ending_of(job, seen)
        if owner is not None and self._word.is_taken_back(owner, seen):
            ending = Ending(JobMove.GO_BACK, self._word.why_taken(owner))
        if ending is not None:
            self._end_when_told(job, ending)
            return
        self._over.pop(job.job_id, None)
        printed_bytes, most_bytes = self._output.bytes_printed(job), self._settings.log_bytes
        printed = PrintedLog(printed_bytes, most_bytes, is_stamped=True)
        wish = wish_to_end(job, printed, self._stores.stood(job.slice_id), self._stores.now())
        if wish is not None:
            self._endings[job.job_id] = wish

    def _ending_of(self, job: JobRecord, seen: JobStatus) -> Ending | None:
        """Return the end that the cluster tells of; ``None`` while the job goes on."""
        if isinstance(seen, Waits | Runs):
            return None
        return ending_of(job, seen, self._settings.most_attempts)

    def _end_when_told(self, job: JobRecord, ending: Ending) -> None:
        """End a job that is over for the cluster: what it printed last is awaited, not for ever."""
        now = self._stores.now()
        since, known = self._over.get(job.job_id, (now, ending))
        # A pod's own word stays, when only that of the object which made it is left.
        ending = known if ending.why.code in WITHOUT_PODS else ending
        self._over[job.job_id] = (since, ending)
        if not self._output.is_taken(job.job_id) and now - since < _LOG_ENDS_WITHIN:
            return
        self._endings[job.job_id] = ending
        self._on_news()

    def _end_when_gone(
        self, job: JobRecord, ending: Ending, owner: Manifest | None, pods: list[Manifest]
    ) -> None:
        """End an attempt once its processes are gone: only then is its slice free."""
        now = self._stores.now()
        alive = [pod for pod in pods if not is_over(pod, now)]
        goes_back = ending.move is JobMove.GO_BACK
        stays = goes_back and job.state is JobState.RUNNING and self._word.is_deactivated(owner)
        if alive or (owner is not None and goes_back and not stays):
            # One that was deactivated is suspended: its processes go without us.
            if owner is not None and not stays:
                self._removal.remove(owner)
            return
        self._end(self._output.note_progress(job), ending)

    def _end(self, job: JobRecord, ending: Ending) -> None:
        change = change_of(job, ending, self._stores.now())
        self._apply(with_all_slices(self._stores.ledger, job, change))
        self._forget(job.job_id)
        self._on_news()

    def _send_back(self, slice_id: SliceId, seen: Lost) -> None:
        record = self._stores.ledger.slices.get(slice_id)
        job_id = None if record is None else record.job_id
        job = None if job_id is None else self._stores.ledger.jobs.get(job_id)
        if job is None or job.state in ENDED or job.job_id in self._endings:
            return
        if job.state is JobState.PLACED:
            self._endings[job.job_id] = Ending(JobMove.GO_BACK, seen.why)
        else:
            self._endings[job.job_id] = ending_of(job, seen, self._settings.most_attempts)
        self._on_news()

    def _note_pods(self, record: SliceRecord, pods: tuple[SeenPod, ...]) -> None:
        started = started_pod(record, pods, self._settings.namespace)
        if started is not None:
            self._pods.started(record.slice_id, started)

    def _forget(self, job_id: JobId) -> None:
        self._endings.pop(job_id, None)
        self._over.pop(job_id, None)
        self._pending.forget(job_id)
        self._output.forget(job_id)

    def _pods_of(self, job: JobRecord) -> list[Manifest]:
        resource = resource_of(job, self._settings)
        return self._cluster.pods_of(job.job_id, resource, object_name(job))

    def _slice_of(self, job: JobRecord) -> SliceRecord | None:
        return None if job.slice_id is None else self._stores.ledger.slices.get(job.slice_id)

    def _say(self, job_id: JobId, why: JobReason) -> None:
        """Note in the ledger what a job waits for, for its owner."""
        job = self._stores.ledger.live_jobs.get(job_id)
        change = None if job is None else waits_for(job, why)
        if change is not None:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        self._stores.ledger.apply(change, self._stores.now())
