"""Logs of jobs' pods: whole and once, however often their answers end and their files rotate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.logs import follower
from sublet_hub.jobs.backends.kubernetes.logs.follower import LogFollower, PodLog
from sublet_hub.jobs.backends.kubernetes.logs.pace import LogPace
from sublet_hub.jobs.backends.kubernetes.logs.position import LogPosition, StampedLog, read_position
from sublet_hub.jobs.backends.kubernetes.objects.names import JOB_ID, MANAGED_BY
from sublet_hub.kubernetes_api import resources
from sublet_hub.state.job_files import NOT_KEPT, JobFiles
from sublet_quota.names.ids import JobId

from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import until
from tests.support.jobs_on_kube import PODS, SETTINGS

JOB = JobId("0123456789ab")
POD = f"sublet-{JOB}-1-abcde"
PATH = f"{PODS}/{POD}"
BEGINNING = 1_795_507_200_000_000_000
"""Of all lines, in nanoseconds since 1970."""


@dataclass(frozen=True)
class Line:
    at: int
    text: bytes


def answered(lines: list[Line], position: LogPosition) -> bytes:
    """What a kubelet sends that has these lines, from a whole second on."""
    since = datetime.fromisoformat(position.since).timestamp() if position.since else 0
    return b"".join(
        stamp(line.at) + b" " + line.text for line in lines if line.at >= int(since) * 10**9
    )


def stamp(at: int) -> bytes:
    seconds = datetime.fromtimestamp(at // 10**9, UTC)
    return f"{seconds:%Y-%m-%dT%H:%M:%S}.{at % 10**9:09d}Z".encode()


def taken(log: StampedLog, data: bytes) -> bytes:
    return b"".join(part.data for part in log.take(data) if not part.known)


def resumed(log: StampedLog) -> StampedLog:
    return StampedLog(read_position(log.position.written()))


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Lines of two streams: some at the same time, some a moment out of order."""
    steps = st.sampled_from([0, 0, 1, 1000, 300_000_000, 2_000_000_000])
    texts = st.sampled_from([b"\n", b"epoch 1\n", b"2026-11-24T08:00:00Z \n", b"loss: 0.1 0.2\n"])
    at, lines = BEGINNING, []
    for step, text in draw(st.lists(st.tuples(steps, texts), max_size=60)):
        at += step
        lines.append(Line(at, text))
    for first, second in pairwise(range(len(lines))):
        if lines[second].at - lines[first].at == 1 and draw(st.booleans()):
            lines[first], lines[second] = lines[second], lines[first]
    return lines


@given(logs(), st.lists(st.tuples(st.integers(0, 900), st.integers(1, 80)), max_size=8))
def test_a_log_that_is_cut_anywhere_is_taken_whole_and_once(
    lines: list[Line], cuts: list[tuple[int, int]]
) -> None:
    log, text = StampedLog(LogPosition()), b""
    for length, size in [*cuts, (10**6, 10**6)]:
        answer = answered(lines, log.position)[:length]
        for start in range(0, len(answer), size):
            text += taken(log, answer[start : start + size])
        log = resumed(log)
    assert text == b"".join(line.text for line in lines)
    assert log.position.read == len(answered(lines, LogPosition()))


@given(logs(), st.integers(0, 60), st.integers(0, 60))
def test_what_comes_after_a_rotation_is_taken(lines: list[Line], read: int, gone: int) -> None:
    latest = max((line.at for line in lines[:read]), default=0)
    later = [Line(line.at + 10**12, line.text) for line in lines]
    kept = [*(line for line in lines[max(read, gone) :] if line.at > latest), *later]
    log = StampedLog(LogPosition())
    text = taken(log, answered(lines[:read], LogPosition()))
    log = resumed(log)
    text += taken(log, answered(kept, log.position))
    assert text == b"".join(line.text for line in [*lines[:read], *kept])


def test_a_long_lines_later_parts_have_no_times_of_their_own() -> None:
    lines = [Line(BEGINNING, b"a" * 40_000 + b"\n"), Line(BEGINNING + 1, b"b\n")]
    log = StampedLog(LogPosition())
    assert taken(log, answered(lines, LogPosition())[:20_000]) == b"a" * (20_000 - 31)
    log = resumed(log)
    assert taken(log, answered(lines, log.position)) == b"a" * (20_031) + b"\nb\n"


def test_the_rest_of_a_line_that_was_put_aside_is_passed_over_only_when_it_was_taken() -> None:
    rest = b"of a line without a time\n" + stamp(BEGINNING + 5) + b" new\n"
    assert taken(StampedLog(LogPosition()), rest) == b"of a line without a time\nnew\n"
    assert taken(StampedLog(LogPosition((BEGINNING,), 3)), rest) == b"new\n"


@pytest.mark.parametrize("written", [b"", b"17", b"{}", b'{"stamps": [1], "taken": null}', b"\xff"])
def test_a_position_that_cannot_be_read_is_none(written: bytes) -> None:
    with pytest.raises(ValueError, match="no position in a log"):
        read_position(written)


@pytest.mark.asyncio
@pytest.mark.parametrize("line", [b"\n", b"\x1e\n", b"\x1e" + b"x" * 100 + b"\x1e\n", b"x" * 99])
async def test_who_prints_much_at_once_is_read_in_parts_with_turns_for_others_between(
    tmp_path: Path, line: bytes
) -> None:
    files = JobFiles(tmp_path)
    files.prepare(JOB, {})
    lines = [Line(BEGINNING + number, line) for number in range(20_000)]
    answer = answered(lines, LogPosition())

    async def read(_since: str) -> AsyncIterator[bytes]:
        yield answer

    follower = LogFollower(files, JOB, 1, PodLog(read, lambda: True, lambda: False), LogPace())
    read_by_turn = [0]
    while not follower.done:
        await asyncio.sleep(0)
        read_by_turn.append(follower.bytes_read)
    assert read_by_turn[-1] == len(answer)
    assert max(later - before for before, later in pairwise(read_by_turn)) <= 64 * 1024 + 64


@pytest.mark.asyncio
@pytest.mark.parametrize("why", ["a full disk", "all logs", "its owner's logs"])
async def test_without_room_for_logs_a_pods_text_is_not_kept_and_its_progress_is(
    tmp_path: Path, why: str
) -> None:
    files = JobFiles(tmp_path, 2**62 if why == "a full disk" else 0)
    files.prepare(JOB, {})
    files.stop_logs(stopped=why == "all logs")
    files.stop_log_of(JOB, stopped=why == "its owner's logs")
    lines = [Line(BEGINNING + n, b"\x1e{}\n" if n % 2 else b"x" * 1000 + b"\n") for n in range(500)]
    answer = answered(lines, LogPosition())

    async def read(_since: str) -> AsyncIterator[bytes]:
        yield answer

    follower = LogFollower(files, JOB, 1, PodLog(read, lambda: True, lambda: False), LogPace())
    await until(lambda: follower.done)
    assert follower.bytes_read == len(answer)
    assert files.log_path(JOB).read_text() == NOT_KEPT
    assert files.progress_path(JOB, 1).read_bytes() == b"{}\n" * 250


def test_what_all_logs_together_print_is_read_so_fast_and_no_faster() -> None:
    pace = LogPace()
    a_mib = 1024 * 1024
    assert pace.take(100, now_s=5) == 0
    rests = [pace.take(a_mib, now_s=10) for _ in range(32)]
    assert rests[-1] == pytest.approx(2)
    assert pace.take(a_mib, now_s=11) == pytest.approx(1 + 1 / 16)
    assert pace.take(100, now_s=13) == 0


@dataclass
class Following:
    """A pod that prints, and where its log goes."""

    kube: FakeKube
    cluster: JobsInCluster
    files: JobFiles

    def prints(self, text: bytes) -> None:
        self.kube.logs[PATH] += text

    def end(self) -> None:
        self.kube.running_logs.discard(PATH)
        self.kube.change(PATH, status={"phase": "Succeeded"})

    @property
    def text(self) -> str:
        return self.files.read_log(JOB, 0, ended=True).text

    @asynccontextmanager
    async def follower(self) -> AsyncIterator[LogFollower]:
        follower = LogFollower(self.files, JOB, 1, self.cluster.log_of(POD), LogPace())
        try:
            yield follower
        finally:
            await follower.stop()


@pytest_asyncio.fixture
async def following(tmp_path: Path) -> AsyncIterator[Following]:
    files = JobFiles(tmp_path)
    files.prepare(JOB, {})
    async with fake_kube() as kube, way_into(kube) as api:
        labels = {JOB_ID: JOB, MANAGED_BY: "sublet"}
        containers = [{"name": "job"}]
        pod = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        kube.put(PATH, {**pod, "status": {"phase": "Running"}})
        kube.logs[PATH] = b""
        kube.running_logs.add(PATH)
        cluster = JobsInCluster(api, SETTINGS, several_nodes=False)
        cluster.start()
        await until(lambda: cluster.synced)
        yield Following(kube, cluster, files)
        await cluster.close()


@pytest.mark.asyncio
async def test_a_log_whose_answer_ends_while_its_pod_runs_is_followed_on(
    following: Following,
) -> None:
    async with following.follower() as follower:
        following.prints(b"one\ntwo\nthr")
        await until(lambda: following.text == "one\ntwo\nthr", within_s=60)
        following.kube.end_logs()
        following.prints(b"ee\nfour\n")
        await until(lambda: following.text == "one\ntwo\nthree\nfour\n", within_s=60)
        following.prints(b"five\n")
        following.end()
        await until(lambda: follower.done, within_s=60)
    assert following.text == "one\ntwo\nthree\nfour\nfive\n"


@pytest.mark.asyncio
async def test_a_kubelet_that_does_not_know_its_pods_yet_is_asked_again(
    following: Following,
) -> None:
    log = ("GET", f"{PATH}/log")
    following.kube.refuses[log] = (404, "the pod does not exist")
    async with following.follower() as follower:
        await until(lambda: log in following.kube.asked, within_s=60)
        following.prints(b"one\n")
        following.end()
        following.kube.refuses.clear()
        await until(lambda: follower.done, within_s=60)
    assert following.text == "one\n"


@pytest.mark.asyncio
async def test_a_log_is_followed_on_after_its_kubelet_put_it_aside(following: Following) -> None:
    async with following.follower() as follower:
        following.prints(b"one\ntwo\nthree\n" * 30)
        await until(lambda: following.text.count("three") == 30, within_s=60)
        following.kube.end_logs()
        following.kube.rotate_log(PATH)
        following.prints(b"four\nfive\n")
        await until(lambda: following.text.endswith("three\nfour\nfive\n"), within_s=60)
        following.end()
        await until(lambda: follower.done, within_s=60)


@pytest.mark.asyncio
async def test_a_service_that_starts_again_goes_on_with_a_log_where_it_was(
    following: Following,
) -> None:
    async with following.follower():
        following.prints(b"one\n\x1e" + b'{"cell": 1}\n\x1e{"cell"')
        await until(lambda: following.text == "one\n", within_s=60)
    following.kube.rotate_log(PATH)
    following.prints(b': 2}\ntwo\n\x1e{"cell": 3}\n')
    following.end()
    async with following.follower() as follower:
        await until(lambda: follower.done, within_s=60)
    assert following.text == "one\ntwo\n"
    progress = following.files.progress_path(JOB, 1).read_text()
    assert progress == '{"cell": 1}\n{"cell": 2}\n{"cell": 3}\n'


@pytest.mark.asyncio
async def test_the_cluster_is_asked_while_more_logs_are_read_than_a_client_has_connections(
    following: Following,
) -> None:
    following.prints(b"one\n")
    async with asyncio.timeout(60), AsyncExitStack() as answers:
        for _ in range(105):
            answer = following.cluster.log(POD)
            answers.push_async_callback(answer.aclose)  # type: ignore[attr-defined]
            assert (await anext(answer)).endswith(b" one\n")
        await following.cluster.delete(resources.PODS, following.kube.objects[PATH])
    assert PATH not in following.kube.objects


@pytest.mark.asyncio
async def test_a_pod_that_is_gone_ends_its_log(following: Following) -> None:
    async with following.follower() as follower:
        following.prints(b"one\n")
        await until(lambda: following.text == "one\n", within_s=60)
        following.kube.remove(PATH)
        await until(lambda: follower.done, within_s=60)


@pytest.mark.asyncio
async def test_the_last_of_a_log_is_taken_though_there_was_nothing_for_long(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its second answer it is asked for again in an hour, or when the pod is over."""
    monkeypatch.setattr(follower, "_AGAIN_S", 0.01)
    monkeypatch.setattr(follower, "_LONGEST_S", 3600.0)
    monkeypatch.setattr(follower, "_GROWS", 1_000_000.0)
    log = ("GET", f"{PATH}/log")
    following.kube.refuses[log] = (404, "the pod does not exist")
    async with following.follower() as follows:
        await until(lambda: following.kube.asked.count(log) == 2, within_s=60)
        following.kube.refuses.clear()
        following.prints(b"one\n")
        following.end()
        await until(lambda: follows.done, within_s=60)
    assert following.text == "one\n"
    assert following.kube.asked.count(log) == 3


@pytest.mark.asyncio
async def test_a_log_with_nothing_new_is_asked_for_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def rest(self: LogFollower, pause_s: float) -> None:
        del self
        pauses.append(pause_s)
        await asyncio.sleep(0)

    async def read(since: str) -> AsyncIterator[bytes]:
        del since
        if len(pauses) == 6:
            yield stamp(BEGINNING) + b" news\n"

    monkeypatch.setattr(LogFollower, "_rest", rest)
    files = JobFiles(tmp_path)
    files.prepare(JOB, {})
    source = PodLog(read, lambda: len(pauses) > 8, lambda: False)
    follows = LogFollower(files, JOB, 1, source, LogPace())
    await until(lambda: follows.done)
    assert pauses[:8] == [1, 2, 4, 8, 15, 15, 1, 2]
