"""A share in a notebook cell: what the widget shows, and what it never sends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_lab import ShareWidget
from sublet_lab.share.words import headline, local_lines, service_lines, sign, used_mib
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.share_kept import ShareKept, share_kept_words
from sublet_quota.reasons.standings import Standing, standing_meaning, standing_word
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.kept import tell_cap_kept, tell_share_kept
from sublet_quota.wire.slice_warnings import ToldWarning
from sublet_quota.wire.standing import ToldStanding, tell_standing
from sublet_quota.wire.tenant_socket import ShareMove, ShareProcess

from tests.support.lab_bodies import share
from tests.support.lab_shares import a_share
from tests.support.told_shares import Told, shown

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
    told = ToldWarning(code="unsuspendable", clause="has managed memory", advice="Use none.")
    lines = local_lines(a_share(memory_mib=39000, host_mib=2048, warnings=(told,)))
    assert "has managed memory. Use none." in lines
    text = "\n".join(lines)
    for words in ("2 GiB", "simulated", "12 %"):
        assert words in text


def test_how_share_and_cap_are_kept_is_said() -> None:
    lines = local_lines(
        a_share(
            compute_milli=250,
            compute_kept=tell_share_kept(ShareKept.MOVING),
            cap_kept=tell_cap_kept(("driver",), simulated=False),
        )
    )
    assert f"compute share 0.25 GPU: {share_kept_words(ShareKept.MOVING)}" in lines
    assert "memory cap kept by the driver, all programs together" in lines


def test_a_cap_is_said_with_its_number() -> None:
    capped = tell_share_kept(ShareKept.CAPPED, 500)
    lines = local_lines(a_share(compute_milli=250, compute_kept=capped))
    assert "compute share 0.25 GPU: capped at 50 % by the quota's max_compute" in lines


def test_what_an_agent_of_before_does_not_tell_of_share_and_cap_is_not_said() -> None:
    lines = local_lines(a_share(compute_milli=250))
    assert "compute share 0.25 GPU" in lines
    assert not any("kept" in line for line in lines)


def test_what_admins_tell_stands_first_with_its_control_characters_shown() -> None:
    now = datetime.now(UTC)
    told = ShownAnnouncement(announcement_id="a", text="save\x1b it", made_at=now, until=now)
    assert service_lines(share(announcements=(told,)), None)[0] == "from an admin: save\\x1b it"
    by_itself = told.model_copy(update={"from_admin": False})
    assert service_lines(share(announcements=(by_itself,)), None)[0] == "from Sublet: save\\x1b it"


@pytest.mark.parametrize("standing", Standing)
def test_each_standing_is_explained_in_the_words_that_are_told_and_in_no_others(
    standing: Standing,
) -> None:
    told = tell_standing(standing)
    for state in SliceState:
        for lent in (True, False):
            lines = local_lines(a_share(standing=told, state=state, lent=lent, active=False))
            assert lines[0] == told.meaning
            others = {standing_meaning(other) for other in Standing if other is not standing}
            assert not others & set(lines)


def test_a_slice_that_comes_back_is_not_told_to_run_a_cell_for_that() -> None:
    lines = local_lines(a_share(state=SliceState.SUSPENDED, host_mib=1024, lent=True, move=MOVE))
    assert lines[0] == standing_meaning(Standing.COMING_BACK)
    assert "cell" not in "\n".join(lines)


def test_a_slice_that_is_lent_and_moved_out_tells_of_the_job() -> None:
    lines = local_lines(a_share(state=SliceState.SUSPENDED, host_mib=1024, lent=True, active=False))
    assert "job uses your slice" in lines[0]


def test_the_widget_shows_memory_state_quota_and_processes(told: Told, widget: Any) -> None:
    told.share = a_share(processes=(ShareProcess(pid=7, kernel="abcdef", memory_mib=1024),))
    widget.update()
    text = shown(widget)
    in_group = "group lab, H100: 1 card (0.5 guaranteed, 0.5 borrowed, limit 2)"
    in_all = ("group lab: 80 GiB (limit 160 GiB)", "group lab, all types: 1 card (limit 3)")
    assert all(each in text for each in in_all)
    for words in ("● GPU 1 GiB of 40 GiB: active", "process 7", in_group, "2 running"):
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


def test_near_its_cap_it_warns_in_words_and_colour(told: Told, widget: Any) -> None:
    near = ToldWarning(code="near-cap", clause="holds almost all", advice="Free some.")
    told.share = a_share(memory_mib=38000, warnings=(near,))
    widget.update()
    assert widget.children[1].children[0].bar_style == "warning"
    assert "holds almost all. Free some." in shown(widget)
    over = ToldWarning(code="over-cap", clause="holds too much", advice="Free some.")
    told.share = a_share(memory_mib=41000, over_cap=True, warnings=(over,))
    widget.update()
    assert "holds too much. Free some." in shown(widget)
    assert "almost all" not in shown(widget)
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
        gpu_type="<img src=x onerror=alert(1)>",
        standing=ToldStanding(code="x", word="x", meaning="<script>"),
        warnings=(ToldWarning(code="x", clause="<b>\x1b[31m"),),
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


def test_a_closed_widget_looks_no_more(told: Told) -> None:
    widget = ShareWidget(told)
    widget.close()
    looked = told.looked
    widget.update()
    assert told.looked == looked
