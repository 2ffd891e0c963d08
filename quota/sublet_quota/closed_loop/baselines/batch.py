"""A batch system: one line for notebooks and jobs, first come, first served.

Each waits for all that it asks for and has it until it ends. Whoever is first and finds no room
holds up all behind (nothing is filled in); who is at a limit holds up nobody. Notebooks wait as
long as their owner's patience lasts. Nothing is lent, moved or ended for being idle.
"""

from datetime import timedelta
from functools import partial

from sublet_quota.closed_loop.asks.asked import AskedJob, AskedServer
from sublet_quota.closed_loop.baselines.first_come import FirstCome, Job
from sublet_quota.closed_loop.baselines.pieces import Place
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.record.records import LeftLine, Record
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.names.ids import JobId, UserName
from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.residency.snapshot import Rank


class Batch(FirstCome):
    """A simulated cluster with one line for all."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._line: dict[str, AskedServer | Job] = {}

    def finish(self) -> Record:
        """Return what happened, after the last step."""
        for each in self._line.values():
            if isinstance(each, AskedServer):
                self._note(each, None)
        return super().finish()

    def _ask(self, asked: AskedServer) -> None:
        if self._is_refused(asked):
            return
        self._line[asked.name] = asked
        until = self.clock.now + max(asked.patience, timedelta())
        self.clock.at(until, Phase.ROUND, asked.name, partial(self._give_up, asked))
        self._plan_round()

    def _give_up(self, asked: AskedServer) -> None:
        # What becomes free at this moment may be its own.
        self._round()
        if self._line.get(asked.name) is asked:
            del self._line[asked.name]
            self._note(asked, None)
            self._plan_round()

    def _note(self, asked: AskedServer, rank: Rank | None) -> None:
        left = LeftLine(asked.name, UserName(asked.owner), asked.at, self.clock.now, rank)
        self.record.line.append(left)

    def _submit(self, asked: AskedJob) -> None:
        super()._submit(asked)
        self._join(JobId(asked.name))

    def _send_back(self, job_id: JobId) -> None:
        super()._send_back(job_id)
        self._join(job_id)
        by_age = sorted(self._line.items(), key=lambda each: _since(each[1]))
        self._line = dict(by_age)

    def _join(self, job_id: JobId) -> None:
        if job_id in self._waiting:
            self._line[job_id] = self._waiting[job_id]
            self._plan_round()

    def _plan_round(self) -> None:
        if not self._round_planned and self._line:
            self._round_planned = True
            self.clock.at(self.clock.now, Phase.ROUND, "queue", self._round)

    def _round(self) -> None:
        """Begin who is first, as long as there is room for all that is asked for."""
        self._round_planned = False
        kinds = open_kinds(self.pieces.holdings)
        for name, each in tuple(self._line.items()):
            if isinstance(each, Job):
                limits = JobLimits(self.pieces.holdings, self._limits)
                may = self._may_have(each, limits, kinds)
                if may and not self._begin_where_it_fits(each.waiting.job_id, may, limits):
                    return
                if may:
                    del self._line[name]
                continue
            place = self._place_of(each)
            if place is RefusalReason.NO_ROOM:
                return
            if isinstance(place, Place):
                del self._line[name]
                self._note(each, Rank.BORROWED)
                self._grant(each, place)


def _since(each: AskedServer | Job) -> tuple[float, str]:
    asked = each.asked if isinstance(each, Job) else each
    return asked.at.timestamp(), asked.name
