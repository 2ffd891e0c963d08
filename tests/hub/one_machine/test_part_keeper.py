"""The watch over parts that die, with small programs as parts and a clock of the test's."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.one_machine.part_keeper import PartGoneError, PartKeeper
from sublet_hub.one_machine.plans import Plan
from sublet_hub.one_machine.processes import Launch, Part, Parts

RUNS = "exec sleep 600"


@dataclass
class World:
    """Parts that the tests end, a clock that they put forward, and what was said."""

    parts: Parts
    plans: dict[str, Plan] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    now_s: float = 1000.0
    answering: bool = True
    starts: int = 0
    keeper: PartKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.keeper = PartKeeper(
            self.parts,
            self.plans,
            self.said.append,
            lambda *_: None,
            lambda: self.now_s,
        )

    def begin(self, name: str, script: str = RUNS, **traits: Any) -> Part:
        launch = Launch(name, ["/bin/sh", "-c", script], dict(os.environ))
        self.plans[name] = Plan(
            launch,
            lambda: self.answering,
            meanwhile="Notebooks run on.",
            before_start=self._count,
            **traits,
        )
        return self.parts.start(launch)

    def kill(self, name: str) -> None:
        process = self.named(name).process
        process.kill()
        process.wait()

    def named(self, name: str) -> Part:
        return next(part for part in self.parts.running if part.name == name)

    def wait_for_end(self, name: str) -> None:
        self.named(name).process.wait(30)
        self.keeper.look()

    def _count(self) -> None:
        self.starts += 1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(Parts(tmp_path, lambda *_: None))
    yield world
    world.parts.stop()


def test_a_part_that_is_killed_is_started_again_in_its_place_and_that_is_said(world):
    old = world.begin("service")
    other = world.begin("hub")
    world.answering = False
    world.kill("service")
    for _ in range(2):
        world.keeper.look()
    new = world.named("service")
    assert new.process.pid != old.process.pid
    assert world.parts.running == [new, other]
    (told,) = world.said
    assert f"service (process {old.process.pid}) was ended by SIGKILL" in told
    assert "started again at once. Notebooks run on. Log: " in told
    world.now_s += 5
    world.answering = True
    world.keeper.look()
    assert f"service answers again (process {new.process.pid})" in world.said[1]
    assert world.starts == 1


def test_a_part_waits_for_the_one_that_it_needs_at_its_start(world):
    world.begin("simulated-gpus")
    world.begin("agent", needs=("simulated-gpus",))
    world.answering = False
    world.kill("agent")
    for _ in range(3):
        world.keeper.look()
    assert world.starts == 0
    world.answering = True
    world.keeper.look()
    assert world.starts == 1


def test_pauses_grow_and_what_only_ends_is_given_up_while_the_others_run_on(world):
    world.begin("hub")
    world.begin("agent", "echo no such option; exit 1")
    for seconds in (0, 1, 2, 4, 8, 15, 30):
        world.wait_for_end("agent")
        when = f"in {seconds} s" if seconds else "at once"
        assert f"it is started again {when}." in world.said[-1]
        tried = world.starts
        world.now_s += max(0.0, seconds - 0.5)
        world.keeper.look()
        assert world.starts == (tried if seconds else tried + 1)
        world.now_s += 0.5
        world.keeper.look()
        assert world.starts == tried + 1
    world.wait_for_end("agent")
    assert "NOT started again, since it has ended 8 times in a row" in world.said[-1]
    assert "no such option" in world.said[-1]
    said = len(world.said)
    world.now_s += 3600
    world.keeper.look()
    assert (world.starts, len(world.said)) == (7, said)
    assert world.named("hub").process.is_running()


def test_a_part_that_cannot_work_as_it_is_set_up_is_given_up_at_once(world):
    world.begin("agent", "exit 78")
    world.wait_for_end("agent")
    assert "it is NOT started again, since it cannot work as it is set up" in world.said[-1]
    assert world.starts == 0


def test_a_vital_part_that_is_gone_for_good_ends_the_rest(world):
    world.begin("proxy", "echo port taken; exit 78", vital=True)
    with pytest.raises(PartGoneError, match="port taken"):
        world.wait_for_end("proxy")


def test_a_hub_that_was_told_to_stop_stops_everything(world):
    world.begin("hub", "exit 0", vital=True, can_be_told=True)
    world.wait_for_end("hub")
    assert world.keeper.told_to_stop
    assert "told to stop" in world.said[-1]


def test_who_is_told_to_stop_waits_for_no_pause(world):
    world.begin("service", "exit 1")
    world.wait_for_end("service")
    world.keeper.look()
    world.wait_for_end("service")
    assert "started again in 1 s" in world.said[-1]
    stop = threading.Event()
    stop.set()
    world.keeper.keep(stop)
    assert world.starts == 1


ADOPTING = """
import sys, time
from pathlib import Path
import psutil
from sublet_hub.one_machine.adopted import adopt_orphans, adopted, end_adopted, no_zombies
from sublet_hub.one_machine.processes import Launch, Parts
adopt_orphans()
noted = []
parts = Parts(Path(sys.argv[1]), lambda *_: None)
part = parts.start(Launch("hub", ["/bin/sh", "-c", "sleep 600 & sleep 601"], {}))
while len(left := part.process.children()) < 2:
    time.sleep(0.01)
part.process.kill()
part.process.wait()
assert {each.pid for each in adopted(parts.pids())} == {each.pid for each in left}
with no_zombies(parts.pids):
    left[0].kill()
    while psutil.pid_exists(left[0].pid):
        time.sleep(0.01)
assert [each.pid for each in adopted(parts.pids())] == [left[1].pid]
end_adopted()
assert not psutil.Process().children()
assert not psutil.pid_exists(left[1].pid)
"""


def test_what_a_dead_part_has_left_is_known_is_no_zombie_and_ends_with_the_program(tmp_path):
    command = [sys.executable, "-c", ADOPTING, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_last_words_of_a_part_are_none_of_one_that_had_its_log_before(world, tmp_path):
    (tmp_path / "hub.log").write_text("of last week\n")
    part = world.begin("hub", "echo no such option; exit 1")
    part.process.wait(30)
    assert part.last_words() == "no such option\n"
