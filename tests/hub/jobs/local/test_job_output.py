"""What a job prints goes through a pipe that ends with the job, and outlives the service."""

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sublet_hub.host.clock import read_boot_id
from sublet_hub.jobs.backends.local import job_output
from sublet_hub.jobs.backends.local.job_output import JobWriters
from sublet_hub.state.job_files import NOT_KEPT, JobFiles
from sublet_quota.names.ids import JobId

from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.job_owner import make_ada

pytestmark = pytest.mark.asyncio
JOB = JobId("job")


@dataclass
class Printer:
    """Shells that print as jobs do, each with a writer."""

    folder: Path
    files: JobFiles
    log_bytes: int = 10_000
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def writers(self) -> JobWriters:
        return JobWriters(self.files, self.log_bytes, read_boot_id())

    def run(self, script: str) -> "subprocess.Popen[bytes]":
        """Run a script that prints to 1 and tells progress on 3."""
        with self.writers.begin(JOB, 1) as pipes:
            said = pipes.progress
            child = subprocess.Popen(
                ["/bin/bash", "-c", f"exec 3>&{said} {said}>&-; {script}"],
                stdout=pipes.log,
                pass_fds=(said,),
                cwd=self.folder,
                start_new_session=True,
            )
            self.running.append(child)
            pipes.follow(child.pid)
        return child

    async def writer_has_ended(self) -> None:
        await until(lambda: self.writers.find(JOB) is None)

    @property
    def log(self) -> bytes:
        return self.files.log_path(JOB).read_bytes()

    @property
    def said(self) -> bytes:
        return self.files.progress_path(JOB, 1).read_bytes()


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[Printer]:
    made = Printer(tmp_path, JobFiles(tmp_path / "jobs"))
    made.files.prepare(JOB, {})
    yield made
    for child in made.running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


async def test_whoever_was_given_a_jobs_descriptors_writes_nothing_after_its_end(
    world: HubWorld,
) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["print", "early"], ["leave", "left"])
    job = await ada.until_ended(job_id)
    assert job["state"] == "done"
    log = world.service.jobs._stores.files.log_path(JobId(job_id))
    assert log.read_text() == "early\n"
    (ada.home / "left.go").touch()
    assert await ada.until_file("left.said") != "0\n"
    assert log.read_text() == "early\n"


async def test_no_line_is_lost_while_the_service_is_away(tmp_path: Path, hub: FakeHub) -> None:
    lines = [f"line {number}" for number in range(500)]
    steps = [
        ["print", "before"],
        ["write", "began", "pid"],
        ["wait", "away"],
        *(["print", line] for line in lines),
        ["write", "printed", "pid"],
        ["wait", "back"],
        ["print", "after"],
    ]
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(*steps)
        await ada.until_file("began")
    (ada.home / "away").touch()
    await ada.until_file("printed")
    async with hub_world(tmp_path, hub) as world:
        ada.world, ada.agent = world, await world.agent()
        (ada.home / "back").touch()
        job = await ada.until_ended(job_id)
        assert (job["state"], job["cells_done"]) == ("done", len(steps))
        status, log = await world.call("GET", f"jobs/{job_id}/log", ada.token)
    assert (status, log["text"].split("\n")) == (200, ["before", *lines, "after", ""])


async def test_a_job_that_outlives_its_service_ends_alone(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "began", "pid"], ["wait", "away"], ["print", "alone"])
        await ada.until_file("began")
    (ada.home / "away").touch()
    writers = JobWriters(JobFiles(tmp_path / "state" / "jobs"), 1, read_boot_id())
    await until(lambda: writers.find(JobId(job_id)) is None)
    async with hub_world(tmp_path, hub) as world:
        ada.world, ada.agent = world, await world.agent()
        job = await ada.until_ended(job_id)
        assert (job["state"], job["cells_done"]) == ("done", 3)
        _, log = await world.call("GET", f"jobs/{job_id}/log", ada.token)
    assert log["text"] == "alone\n"


async def test_all_that_a_job_wrote_until_its_end_is_there_and_no_more(printer: Printer) -> None:
    # Whatever becomes of this test, what it starts ends by itself.
    waits = "for _ in $(seq 900); do [ -e go ] && break; sleep 0.1; done"
    late = f"trap '' PIPE; {waits}; echo late; echo late >&3; touch told"
    child = printer.run(f"(setsid bash -c {shlex.quote(late)} &) ; seq 1000; echo done >&3")
    child.wait()
    await printer.writer_has_ended()
    (printer.folder / "go").touch()
    await until((printer.folder / "told").exists)
    assert printer.log == b"".join(b"%d\n" % number for number in range(1, 1001))
    assert printer.said == b"done\n"


async def test_a_job_that_prints_too_much_is_not_kept_waiting_and_fills_no_disk(
    printer: Printer,
) -> None:
    child = printer.run("yes | head -c 3000000; yes >&3 & sleep 600")
    await until(lambda: len(printer.log) + len(printer.said) >= 20_002)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    await printer.writer_has_ended()
    assert (len(printer.log), len(printer.said)) == (10_001, 10_001)


async def test_where_everything_is_told_to_end_a_jobs_last_words_are_written(
    printer: Printer,
) -> None:
    child = printer.run("trap 'echo last; exit' TERM; echo early; while :; do sleep 0.1; done")
    await until(lambda: printer.log == b"early\n")
    writer = printer.writers.find(JOB)
    assert writer is not None
    os.kill(writer.pid, signal.SIGTERM)
    os.kill(child.pid, signal.SIGTERM)
    await until(lambda: child.poll() is not None)
    await printer.writer_has_ended()
    assert printer.log == b"early\nlast\n"


@pytest.mark.parametrize("whose", ["all", "its owner's"])
async def test_without_room_for_logs_nothing_is_written_until_there_is_again(
    printer: Printer, whose: str
) -> None:
    def stop(*, stopped: bool) -> None:
        if whose == "all":
            printer.files.stop_logs(stopped=stopped)
        else:
            printer.files.stop_log_of(JOB, stopped=stopped)

    stop(stopped=True)
    # At once: of two lines the second may be read only when there is room again.
    says = "printf '1\\n2\\n'; echo a >&3"
    steps = f"{says}; until [ -e go ]; do sleep 0.1; done; echo 3; echo b >&3"
    child = printer.run(steps)
    await until(lambda: printer.said == b"a\n")
    await until(lambda: printer.log == NOT_KEPT.encode())
    stop(stopped=False)
    (printer.folder / "go").touch()
    await until(lambda: child.poll() is not None)
    await printer.writer_has_ended()
    assert printer.log == NOT_KEPT.encode() + b"3\n"
    assert printer.said == b"a\nb\n"


async def test_of_a_job_that_prints_nothing_no_log_says_that_something_is_not_kept(
    printer: Printer,
) -> None:
    printer.files.stop_logs(stopped=True)
    # Its pipe is at the end before the job is.
    child = printer.run("exec 1>&- 2>&-; echo a >&3; until [ -e go ]; do sleep 0.1; done")
    await until(lambda: printer.said == b"a\n")
    (printer.folder / "go").touch()
    child.wait()
    await printer.writer_has_ended()
    assert printer.log == b""


async def test_a_log_leaves_the_ledgers_part_of_the_disk_free(printer: Printer) -> None:
    printer.files = JobFiles(printer.files.folder, keep_free_bytes=2**62)
    child = printer.run("echo 1; echo a >&3")
    await until(lambda: child.poll() is not None)
    await printer.writer_has_ended()
    assert (printer.log, printer.said) == (NOT_KEPT.encode(), b"a\n")


async def test_a_writer_whose_job_was_never_told_ends(printer: Printer) -> None:
    with printer.writers.begin(JOB, 1):
        assert printer.writers.find(JOB) is not None
    await printer.writer_has_ended()


async def test_a_writer_is_ended_at_once_where_not_all_of_its_job_has(printer: Printer) -> None:
    printer.run("echo early; touch begun; sleep 600")
    await until(lambda: printer.log == b"early\n")
    await printer.writers.end(JOB, at_once=True)
    await printer.writer_has_ended()


async def test_a_writer_that_writes_for_ever_is_ended(
    printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_output, "WRITES_WITHIN_S", 0.1)
    child = printer.run("exec sleep 600")
    writer = printer.writers.find(JOB)
    assert writer is not None
    os.kill(writer.pid, signal.SIGSTOP)
    child.kill()
    child.wait()
    async with asyncio.timeout(60):
        await printer.writers.end(JOB, at_once=False)
    await printer.writer_has_ended()
