"""People and jobs at random around a model of the card, and the bounds that hold for them."""

import random
from dataclasses import dataclass, field
from datetime import timedelta

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.snapshot import PoolSettings, Rank
from sublet_quota.residency.turns import LONGEST, longest_turn

from tests.support.model_device import ModelDevice, ModelSlice

STEP_S = 0.5
SETTINGS = PoolSettings(
    turn=timedelta(seconds=20),
    give_back_within=timedelta(seconds=30),
    lend_at_least=timedelta(seconds=20),
)


def out_s(device: ModelDevice) -> float:
    return device.total_mib / device.suspend_mib_per_s + 0.5 * len(device.slices)


def back_s(device: ModelDevice) -> float:
    return device.total_mib / device.resume_mib_per_s + 0.5 * len(device.slices)


@dataclass
class Town:
    """Owners who wake and fall idle, and jobs that come and end, by a seeded chance."""

    chance: random.Random
    device: ModelDevice
    wakes: float = 0.02
    idles: float = 0.03
    interrupts: float = 0.001
    """How likely an owner stops a cell that still waits for its room."""
    dawdles: float = 0.0
    """How likely who falls idle does so in the middle of a cell, and may go on with its GPU."""
    waits: dict[str, tuple[float, int, dict[str, int]]] = field(default_factory=dict)
    """Since when an owner waits, how many waited then, and how many first turns each had had."""
    longest: float = 0.0
    time_s: float = 0.0
    no_job_since: float | None = None
    """Since when jobs could run, and none does."""
    jobs_made: int = 0
    alone_since: tuple[str, float] = ("", 0.0)
    """Who alone is of the lowest rank at work and waits, and since when."""

    def step(self) -> None:
        self.device.pass_time(STEP_S)
        self.time_s += STEP_S
        self.people_change_their_minds()
        self.device.settle()

    def people_change_their_minds(self) -> None:
        for owner in self.device.owners:
            if not owner.active and self.chance.random() < self.wakes:
                self.device.wake(owner.name)
                owner.wants_mib = self.chance.randint(owner.cap_mib // 2, owner.cap_mib)
            elif self.chance.random() < (self.idles if owner.gate_open else self.interrupts):
                in_a_cell = owner.gate_open and self.chance.random() < self.dawdles
                self.device.fall_idle(owner.name, in_a_cell=in_a_cell)

    def entitled_jobs_come_and_end(self) -> None:
        """One at a time, so that it takes turns with owners alone."""
        for job in self.device.jobs:
            if job.is_entitled_job and job.ran_s > 60:
                self.device.end(job.name)
                if job.name not in self.device.slices:
                    self.device.done.append(job.name)
        there = any(job.is_entitled_job for job in self.device.jobs)
        if not there and self.chance.random() < 0.1:
            self.jobs_made += 1
            cap, rank = self.chance.randint(30, 70), self.chance.choice(list(Rank)[:2])
            name = f"due{self.jobs_made}"
            self.device.add(ModelSlice(name, cap, is_job=True, wants_mib=cap, rank=rank))

    def jobs_come_and_end(self) -> None:
        for job in self.device.jobs:
            if job.ran_s > 60 and not job.is_entitled_job:
                self.device.end(job.name)
                if job.name not in self.device.slices:
                    self.device.done.append(job.name)
        others = [job for job in self.device.jobs if not job.is_entitled_job]
        if len(others) < 2 and self.chance.random() < 0.02:
            self.jobs_made += 1
            cap = self.chance.randint(10, 60)
            name = f"job{self.jobs_made}"
            place = self.chance.randint(0, 3)
            self.device.add(ModelSlice(name, cap, is_job=True, wants_mib=cap, entitlement=place))

    def ranks_change(self) -> None:
        """Guarantees are used, given and taken back, while people work."""
        if self.chance.random() < 0.01:
            self.chance.choice(self.device.owners).rank = self.chance.choice(list(Rank))
            # Who was behind may be in front now.
            self.waits.clear()

    def check_that_owners_run_in_time(self) -> None:
        """Those of the lowest rank at work wait for each other alone; the others as lower ones do.

        A wait counts from when nobody of a lower rank was at work any more. Entitled jobs are among
        them.
        """
        device = self.device
        entitled = [job for job in device.jobs if job.is_entitled_job]
        at_work = [s for s in (*device.owners, *entitled) if s.active]
        lowest = min((s.turn_rank for s in at_work), default=None)
        waiting = {
            s.name: s.waiting_since
            for s in at_work
            if s.turn_rank is lowest and not s.gate_open and s.waiting_since is not None
        }
        self.waits = {n: w for n, w in self.waits.items() if n in waiting}
        for name, began in waiting.items():
            ahead = sum(other <= began for other in waiting.values()) - 1
            firsts = {s.name: s.first_turns for s in device.owners}
            since, before, had = self.waits.setdefault(name, (self.time_s, ahead, firsts))
            waited = self.time_s - since
            self.longest = max(self.longest, waited)
            moves_s = out_s(device) + back_s(device)
            place_s = longest_turn(SETTINGS).total_seconds() + moves_s
            passed = [count - had.get(other, 0) for other, count in firsts.items() if other != name]
            assert all(times <= LONGEST + 1 for times in passed), f"{name} is passed: {device}"
            first_s = SETTINGS.turn.total_seconds() + moves_s
            bound = (before + 1) * place_s + sum(passed) * first_s + out_s(device)
            assert waited <= bound, f"{name} has waited {waited} s behind {before}: {device}"

    def check_that_who_is_of_the_lowest_rank_waits_for_no_turn(self) -> None:
        """Alone in its rank a slice waits for memory to move, and for nobody's turn."""
        at_work = [s for s in self.device.owners if s.active]
        lowest = [s for s in at_work if s.rank is min(each.rank for each in at_work)]
        alone = lowest[0] if len(lowest) == 1 and not lowest[0].gate_open else None
        name, since = self.alone_since
        if alone is None or alone.name != name:
            self.alone_since = ("" if alone is None else alone.name, self.time_s)
        else:
            bound = 2 * out_s(self.device) + back_s(self.device)
            assert self.time_s - since <= bound, f"{name} waits for a turn: {self.device}"

    def check_that_jobs_run_in_time(self) -> None:
        device = self.device
        owners_work = any(s.active for s in device.owners)
        if owners_work or not device.jobs or any(j.gate_open for j in device.jobs):
            self.no_job_since = None
            return
        if self.no_job_since is None:
            self.no_job_since = self.time_s
        bound = out_s(device) + 2 * (out_s(device) + back_s(device))
        assert self.time_s - self.no_job_since <= bound, f"no job runs: {device}"


def found_town(seed: int, *, owners: int = 2, **device: int) -> Town:
    chance = random.Random(seed)  # noqa: S311 - the same seed gives the same town
    town = Town(chance, ModelDevice(settings=SETTINGS, **device))
    for number in range(chance.randint(owners, 7)):
        town.device.add(ModelSlice(f"owner{number}", chance.randint(10, 70)))
    return town


def found_town_of_ranks(seed: int, *, owners: int = 2, **device: int) -> Town:
    """Found a town whose owners are entitled, or borrow, by chance."""
    town = found_town(seed, owners=owners, **device)
    for owner in town.device.owners:
        owner.rank = town.chance.choice(list(Rank))
    return town


def run_until_quiet(device: ModelDevice, within_s: float) -> None:
    """Let time pass with nothing new until the policy has said nothing for a minute."""
    quiet_s = passed_s = 0.0
    while quiet_s < 60:
        assert passed_s < within_s, f"the policy does not fall silent: {device}"
        device.pass_time(STEP_S)
        passed_s += STEP_S
        moves = device.moves_done
        decision = device.settle()
        silent = not decision.actions and device.move is None and device.moves_done == moves
        quiet_s = quiet_s + STEP_S if silent else 0.0


def quiet_bound_s(device: ModelDevice) -> float:
    round_trip = out_s(device) + back_s(device)
    return 60 + SETTINGS.lend_at_least.total_seconds() + 3 * round_trip


def strike(town: Town) -> None:
    """Let something go wrong, rarely."""
    device, chance = town.device, town.chance
    lot = chance.random()
    if lot < 0.005 and device.move is None:
        free_mib = device.total_mib - device.used_mib
        device.foreign_present, device.foreign_mib = True, chance.randint(0, max(0, free_mib))
    elif lot < 0.03:
        device.foreign_present, device.foreign_mib = False, 0
    elif lot < 0.035:
        device.lending = not device.lending
    elif lot < 0.04 and device.slices:
        chance.choice(list(device.slices.values())).refuses_suspend = True
    elif lot < 0.06:
        end_a_process(town)
    elif lot < 0.07:
        chance.choice(device.owners).kept_until = device.now + timedelta(seconds=60)
    elif lot < 0.08:
        served = chance.choice(list(device.slices.values()))
        served.not_before = device.now + timedelta(seconds=5)


def end_a_process(town: Town) -> None:
    """A kernel is restarted or killed: what it held is gone, wherever it was."""
    device = town.device
    served = town.chance.choice(device.owners)
    if device.move is None or device.move.slice is not served:
        served.held_mib = served.image_mib = 0
        served.past_the_gate = False
        served.state, served.unsuspendable = SliceState.RESIDENT, None
        served.refuses_suspend = False
