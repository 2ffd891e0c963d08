"""A share in a notebook cell: what the widget and ``%sublet`` show, and what they never send."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_lab import ShareWidget
from sublet_lab.share.looks import Seen, SharedLook, shared_look
from sublet_lab.share.magic import share_lines
from sublet_lab.share.sources import NoAnswerError, ShareSources
from sublet_lab.share.updates import UPDATES, Updates
from sublet_lab.share.words import headline, local_lines, sign, used_mib
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.standings import Standing, standing_word
from sublet_quota.wire import api
from sublet_quota.wire.share import QuotaShare, WeekUse
from sublet_quota.wire.standing import ToldStanding, tell_standing
from sublet_quota.wire.tenant_socket import LocalShare, ShareMove, ShareProcess

from tests.support.fake_hub_service import fake_hub_service
from tests.support.fake_tenant_socket import fake_agent
from tests.support.lab_shares import a_share
from tests.support.real_kernels import running_kernel, slice_environment


def the_service_says(**values: Any) -> api.Share:
    quota = QuotaShare(
        groups=("lab",),
        guaranteed_mib=0,
        used_mib=40960,
        limit_mib=None,
        slices=1,
        most_slices=None,
        group="lab",
        group_used_mib=81920,
        group_guaranteed_mib=40960,
        group_limit_mib=163840,
    )
    facts: dict[str, Any] = {
        "owner": "ada",
        "slices": (),
        "jobs_waiting": 1,
        "jobs_running": 2,
        "used_mib": 40960,
        "guaranteed_mib": 0,
        "limit_mib": None,
        "lending": True,
        "quota": quota,
        "week": WeekUse(
            since=datetime(2026, 11, 17, tzinfo=UTC), gpu_hours=3, energy_wh=1500, lent_hours=20
        ),
    }
    return api.Share(**{**facts, **values})


@dataclass(eq=False)
class Told:
    """Sources that say what the test tells them to."""

    share: LocalShare | None = None
    asked: int = 0
    looked: int = 0
    service_answers: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def local(self) -> LocalShare:
        self.looked += 1
        if self.share is None:
            message = "nobody <b>answers</b>"
            raise NoAnswerError(message)
        return self.share

    def service(self) -> api.Share:
        self.asked += 1
        if not self.service_answers:
            message = "the service does not answer"
            raise NoAnswerError(message)
        return the_service_says()


@pytest.fixture
def told() -> Told:
    return Told(a_share())


@pytest.fixture
def widget(told: Told) -> Iterator[Any]:
    made = ShareWidget(told)
    # The test says when it looks.
    UPDATES.remove(made)
    yield made
    made.close()


def shown(widget: Any) -> str:
    headline_, memory, _, details = widget.children
    return f"{headline_.value} {memory.children[1].value} {details.value}"


MOVE = ShareMove(kind="resuming", began=datetime.now(UTC), bytes_mib=1024, expected_s=4)


UNKNOWN = ToldStanding(code="adrift", word="far\x1b away", meaning="Gone.")


@pytest.mark.parametrize("standing", Standing)
def test_each_standing_is_shown_by_a_sign_and_by_the_word_that_is_told(standing: Standing) -> None:
    share = a_share(standing=tell_standing(standing))
    assert headline(share) == f"GPU 1 GiB of 40 GiB: {standing_word(standing)}"
    assert sign(share) != sign(a_share(standing=UNKNOWN))


def test_a_standing_that_is_not_known_is_shown_by_a_dot_and_the_word_that_is_told() -> None:
    share = a_share(standing=UNKNOWN)
    assert (sign(share), headline(share)) == ("·", "GPU 1 GiB of 40 GiB: far\\x1b away")


@pytest.mark.parametrize(
    ("values", "used"),
    [
        ({"memory_mib": 2048, "host_mib": 8192}, 10240),
        ({"memory_mib": 6144, "host_mib": 3072, "move": MOVE}, 6144),
        ({"memory_mib": 0, "host_mib": 512, "move": MOVE}, 1024),
    ],
)
def test_what_is_in_host_memory_counts_and_what_moves_counts_once(
    values: dict[str, Any], used: int
) -> None:
    assert used_mib(a_share(**values)) == used


def test_what_an_owner_must_know_is_said() -> None:
    lines = local_lines(
        a_share(memory_mib=39000, host_mib=2048, unsuspendable="managed memory", message="Free it.")
    )
    text = "\n".join(lines)
    for words in ("managed memory", "2 GiB", "Free it.", "nearly full", "simulated", "12 %"):
        assert words in text


def test_the_widget_shows_memory_state_quota_and_processes(told: Told, widget: Any) -> None:
    told.share = a_share(processes=(ShareProcess(pid=7, kernel="abcdef", memory_mib=1024),))
    widget.update()
    text = shown(widget)
    for words in ("● GPU 1 GiB of 40 GiB: active", "process 7", "group lab: 80 GiB", "2 running"):
        assert words in text
    progress = widget.children[1].children[0]
    assert (progress.value, progress.max, progress.bar_style) == (1024, 40960, "")


def test_a_slice_that_was_moved_out_is_as_full_as_before(told: Told, widget: Any) -> None:
    told.share = a_share(
        active=False,
        state=SliceState.SUSPENDED,
        memory_mib=0,
        host_mib=38000,
        utilisation_percent=0,
    )
    widget.update()
    progress = widget.children[1].children[0]
    assert (progress.value, progress.bar_style) == (38000, "warning")
    assert "nearly full" in shown(widget)


def test_near_its_cap_it_warns_in_words_and_colour(told: Told, widget: Any) -> None:
    told.share = a_share(memory_mib=38000)
    widget.update()
    assert widget.children[1].children[0].bar_style == "warning"
    assert "nearly full" in shown(widget)
    told.share = a_share(memory_mib=41000, over_cap=True, message="Free some.")
    widget.update()
    progress = widget.children[1].children[0]
    assert (progress.bar_style, progress.value, progress.max) == ("danger", 41000, 41000)


def test_a_move_is_shown_while_it_lasts(told: Told, widget: Any) -> None:
    bar = widget.children[2]
    assert bar.layout.display == "none"
    began = datetime.now(UTC) - timedelta(seconds=2)
    told.share = a_share(move=MOVE.model_copy(update={"began": began}))
    widget.update()
    assert bar.layout.display is None
    assert 450 <= bar.value <= 1000
    assert "1 GiB comes back" in shown(widget)
    told.share = a_share(move=MOVE.model_copy(update={"moved_mib": 256}))
    widget.update()
    assert bar.value == 250
    assert "1 GiB comes back to the GPU: 256 MiB so far" in shown(widget)
    told.share = a_share(move=MOVE.model_copy(update={"began": began, "elapsed_s": 1}))
    widget.update()
    assert bar.value == 250
    assert bar.tooltip.endswith("about 3 s left")
    told.share = a_share()
    widget.update()
    assert bar.layout.display == "none"


def test_no_text_of_others_becomes_html(told: Told, widget: Any) -> None:
    told.share = a_share(
        gpu_type="<img src=x onerror=alert(1)>", message="<script>", unsuspendable="<b>\x1b[31m"
    )
    widget.update()
    assert "&lt;img src=x" in shown(widget)
    for tag in ("<img", "<script", "\x1b"):
        assert tag not in shown(widget)


def test_when_the_agent_is_away_the_last_state_stays_and_says_when_it_was_seen(
    told: Told, widget: Any
) -> None:
    told.share = None
    widget.update()
    assert "Last seen" in shown(widget)
    assert "nobody &lt;b&gt;answers" in shown(widget)
    assert "1 GiB of 40 GiB" in shown(widget)
    told.share = a_share(memory_mib=2048)
    widget.update()
    assert "Last seen" not in shown(widget)
    assert "2 GiB of 40 GiB" in shown(widget)


def test_without_a_slice_it_says_so_and_nothing_else() -> None:
    widget = ShareWidget(Told(None))
    try:
        assert "nobody" in shown(widget)
        assert "GiB" not in shown(widget)
    finally:
        widget.close()


def test_a_slice_that_has_been_idle_is_told_nothing_more_until_it_works_again(told: Told) -> None:
    told.share = a_share(active=False, since=told.at - timedelta(minutes=3))
    widget = ShareWidget(told, now=told.now)
    UPDATES.remove(widget)
    try:
        assert f": idle, as of {told.at.astimezone():%H:%M}" in shown(widget)
        assert "not updated while you are idle" in shown(widget)
        before = shown(widget)
        told.at += timedelta(minutes=1)
        told.share = told.share.model_copy(update={"lent": True, "memory_mib": 9})
        widget.update()
        assert shown(widget) == before
        told.share = a_share(memory_mib=2048)
        widget.update()
        assert "not updated" not in shown(widget)
        assert "as of" not in shown(widget)
    finally:
        widget.close()


def test_what_is_not_new_is_not_sent_and_the_service_not_asked_again(
    told: Told, widget: Any
) -> None:
    changes: list[Any] = []
    for part in (widget.children[0], widget.children[3], widget.children[1].children[0]):
        part.observe(changes.append)
    asked = told.asked
    for _ in range(5):
        widget.update()
    assert changes == []
    assert told.asked == asked
    told.share = a_share(lent=True, active=False, since=datetime.now(UTC))
    widget.update()
    assert told.asked == asked + 1


def test_a_service_that_did_not_answer_is_asked_again_soon_and_one_that_did_after_a_while(
    told: Told,
) -> None:
    told.service_answers = False
    widget = ShareWidget(told, now=told.now)
    UPDATES.remove(widget)
    try:
        assert "jobs" not in shown(widget)
        widget.update()
        assert told.asked == 1
        told.service_answers = True
        told.at += timedelta(seconds=5)
        widget.update()
        assert told.asked == 2
        assert "jobs" in shown(widget)
        told.at += timedelta(seconds=29)
        widget.update()
        assert told.asked == 2
        told.at += timedelta(seconds=1)
        widget.update()
        assert told.asked == 3
    finally:
        widget.close()


def test_a_closed_widget_looks_no_more(told: Told) -> None:
    widget = ShareWidget(told)
    widget.close()
    looked = told.looked
    widget.update()
    assert told.looked == looked


@dataclass(eq=False)
class Counted:
    """Something that is kept up to date."""

    told: Told
    fails: bool = False
    shown: threading.Event = field(default_factory=threading.Event)
    retired: threading.Event = field(default_factory=threading.Event)

    @property
    def look(self) -> SharedLook:
        return shared_look(self.told)

    def show(self, seen: Seen) -> None:
        assert seen == self.told.share
        self.shown.set()
        if self.fails:
            message = "it cannot be shown"
            raise RuntimeError(message)

    def retire(self) -> None:
        self.retired.set()


def test_all_widgets_share_one_thread_that_ends_with_the_last(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    updates = Updates(0.01)
    good, bad = Counted(told), Counted(told, fails=True)
    updates.add(bad)
    thread = updates._thread
    updates.add(good)
    assert updates._thread is thread
    assert bad.shown.wait(60)
    good.shown.clear()
    assert good.shown.wait(60)
    updates.remove(good)
    assert thread is not None
    thread.join(60)
    assert not thread.is_alive()
    assert "is left alone now" in caplog.text
    updates.add(good)
    good.shown.clear()
    assert good.shown.wait(60)
    updates.remove(good)


@pytest.fixture
def by_hand() -> Iterator[Updates]:
    """Updates that tick when the test says so."""
    updates = Updates(3600, most=2)
    yield updates
    for widget in tuple(updates._open):
        updates.remove(widget)


def test_a_tick_looks_once_for_all_widgets_of_the_same_slice(by_hand: Updates) -> None:
    told = Told(a_share())
    widgets = [Counted(told), Counted(told)]
    for widget in widgets:
        by_hand.add(widget)
    by_hand.tick()
    assert [widget.shown.is_set() for widget in widgets] == [True, True]
    assert told.looked == 1


def test_only_the_newest_widgets_are_kept_up_to_date_and_the_others_say_that_they_are_not(
    told: Told, by_hand: Updates
) -> None:
    widgets = [ShareWidget(told) for _ in range(4)]
    for widget in widgets:
        UPDATES.remove(widget)
        by_hand.add(widget)
    told.share = a_share(memory_mib=2048)
    by_hand.tick()
    assert ["2 GiB of 40 GiB" in shown(widget) for widget in widgets] == [False, False, True, True]
    retired = ["updated no more: run its cell again" in shown(widget) for widget in widgets]
    assert retired == [True, True, False, False]
    assert "1 GiB of 40 GiB" in shown(widgets[0])
    assert told.asked == 1
    looked = told.looked
    widgets[0].update()
    by_hand.tick()
    assert told.looked == looked + 1
    for widget in widgets:
        widget.close()


@pytest.mark.asyncio
async def test_sources_ask_the_agent_and_the_service_with_the_processes_own_token(
    tmp_path: Path,
) -> None:
    with fake_hub_service() as service:
        async with fake_agent(tmp_path / "agent.sock") as agent:
            agent.share = a_share()
            service.answer("GET share", the_service_says())
            environment = {
                **slice_environment(agent.path),
                "SUBLET_SERVICE_URL": service.url,
                "JUPYTERHUB_API_TOKEN": "token-canary",
            }
            sources = ShareSources.of_environment(environment)
            assert await asyncio.to_thread(sources.local) == agent.share
            assert await asyncio.to_thread(sources.service) == the_service_says()
            assert service.asked[0].headers["Authorization"] == "Bearer token-canary"
            service.answer("GET share", {"reason": "x", "message": "y", "numbers": {}}, 503)
            with pytest.raises(NoAnswerError, match="503"):
                await asyncio.to_thread(sources.service)
    for missing in (sources.local, sources.service):
        with pytest.raises(NoAnswerError, match="does not answer"):
            await asyncio.to_thread(missing)


def test_outside_of_a_slice_the_reason_is_said() -> None:
    sources = ShareSources.of_environment({"SUBLET_NO_GPU_REASON": "You have no quota."})
    with pytest.raises(NoAnswerError, match="You have no quota"):
        sources.local()
    with pytest.raises(NoAnswerError, match="does not know"):
        sources.service()


def test_lines_are_printed_also_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUBLET_SLICE_ID", "SUBLET_SERVICE_URL", "SUBLET_AGENT_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    assert share_lines() == ["This process has no Sublet slice."]


@pytest.mark.asyncio
async def test_in_a_slices_kernel_the_magic_is_there_and_the_widget_lives_while_a_cell_runs(
    tmp_path: Path,
) -> None:
    async with fake_agent(tmp_path / "agent.sock") as agent:
        agent.share = a_share()
        async with running_kernel(slice_environment(agent.path), tmp_path) as kernel:
            printed = await kernel.run("%sublet")
            assert printed.text.startswith("GPU 1 GiB of 40 GiB: active\n")
            assert (await kernel.run("%sublet now")).text.startswith("%sublet takes no argument")
            made = await kernel.run(
                "from sublet_lab import ShareWidget; share = ShareWidget(); display(share)"
            )
            assert "application/vnd.jupyter.widget-view+json" in str(
                made.contents("display_data")[0]["data"]
            )
            waiting = kernel.begin(
                "import time\nwhile '2 GiB of' not in share.children[0].value:\n"
                " time.sleep(0.05)\nprint('seen')"
            )
            agent.share = a_share(memory_mib=2048)
            await kernel.finish(waiting)
            assert waiting.text == "seen\n"
            closed = await kernel.run(
                "share.close()\nimport threading\n"
                "[t.join(60) for t in threading.enumerate() if t.name == 'sublet-share']\n"
                "print([t.name for t in threading.enumerate() if t.name == 'sublet-share'])"
            )
            assert closed.text == "[]\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "environment",
    [
        {"SUBLET_NO_GPU_REASON": "You have no quota."},
        {"SUBLET_NO_GPU_REASON": "You have no quota.", "SUBLET_SERVICE_URL": "http://127.0.0.1:9/"},
    ],
)
async def test_without_a_gpu_the_magic_says_why(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with running_kernel(environment, tmp_path) as kernel:
        assert (await kernel.run("%sublet")).text.startswith("You have no quota.\n")


@pytest.mark.asyncio
async def test_outside_of_a_slice_the_magic_comes_by_load_ext(tmp_path: Path) -> None:
    async with running_kernel({}, tmp_path) as kernel:
        missing = await kernel.run("%sublet")
        assert "not found" in missing.warnings
        loaded = await kernel.run("%load_ext sublet_lab\n%sublet")
        assert loaded.text == "This process has no Sublet slice.\n"
