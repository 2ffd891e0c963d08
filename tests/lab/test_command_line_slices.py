"""The command ``sublet``: what owners do with their slices, and jobs that are begun anew."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sublet_lab.share.quota_words import quota_lines
from sublet_lab.share.words import service_lines
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.caps import CapUse
from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.reasons.share_kept import ShareKept, share_kept_words
from sublet_quota.wire.ahead import AheadInfo
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.environment import JOB_FILES_BELOW
from sublet_quota.wire.idle import IdleEnd, IdleSpared
from sublet_quota.wire.jobs import JobFailure, JobForecast
from sublet_quota.wire.kept import tell_cap_kept, tell_share_kept
from sublet_quota.wire.rank import tell_rank
from sublet_quota.wire.share import (
    HistoryPoint,
    JobsShare,
    JobsTypeShare,
    QuotaShare,
    SliceHistory,
    TypeShare,
    WeekUse,
)
from sublet_quota.wire.slice_warnings import cap_warning, tell_warnings

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, job, lease, share, slice_info, sublet
from tests.support.quota_shares import a_group_share, a_quota
from tests.support.terminals import sublet_at_a_terminal


def _told_of_science() -> QuotaShare:
    figures = {"held": 1.5, "entitled": 1, "borrowed": 0.5, "guaranteed": 1, "limit": 2}
    of_h100 = TypeShare(gpu_type="H100", **figures)
    science = a_group_share("nlp", path=("science", "nlp"), types=(of_h100,), limit_cards=20)
    own = a_group_share(held_mib=40960, limit_mib=81920, slices=1, most_slices=4)
    return a_quota(own=own, groups=(science,))


def _rows(shown: str) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in shown.splitlines()]


def test_a_share_tells_by_group_and_type_what_is_held_guaranteed_borrowed_and_allowed(
    service: FakeHubService,
):
    service.answer("GET share", share(quota=_told_of_science()))
    shown = sublet("share").output
    rows = _rows(shown)
    assert ["QUOTA", "OF", "HELD", "GUARANTEED", "BORROWED", "LIMIT"] in rows
    assert ["science / nlp", "H100", "1.5", "1", "0.5", "2"] in rows
    assert ["science / nlp", "all cards", "0", "-", "-", "20"] in rows
    assert ["yours", "memory", "40 GiB", "-", "-", "80 GiB"] in rows
    assert ["yours", "slices", "1", "-", "-", "4"] in rows


def test_a_share_tells_what_a_person_borrows_what_jobs_have_and_which_group_they_left(
    service: FakeHubService,
):
    figures = {"held": 2.25, "jobs": 2, "entitled": 0, "borrowed": 0.25, "guaranteed": 0}
    types = (TypeShare(gpu_type="H100", limit=None, **figures),)
    course = a_group_share("course", types=types, may_pay=False, left=True)
    quota = a_quota(own=a_group_share(types=types), groups=(course,))
    service.answer("GET share", share(quota=quota))
    rows = _rows(sublet("share").output)
    assert ["QUOTA", "OF", "HELD", "BORROWED", "JOBS", "LIMIT"] in rows
    assert ["yours", "H100", "2.25", "0.25", "2", "-"] in rows
    assert ["course (no longer yours)", "H100", "2.25", "0.25", "2", "-"] in rows
    assert quota_lines(quota)[1:] == [
        "yours of H100: 2.25 cards (0.25 borrowed, 2 by jobs, no limit)",
        "group course (no longer yours), H100: 2.25 cards (0.25 borrowed, 2 by jobs, no limit)",
    ]


def test_a_share_tells_what_jobs_have_where_their_limit_is_apart(service: FakeHubService):
    apart = JobsShare(
        types=(
            JobsTypeShare(gpu_type="H100", held=1, limit=8),
            JobsTypeShare(gpu_type="L4", held=2, limit=None),
        ),
        held_cards=3,
        limit_cards=10,
        held_mib=128 * 1024,
        limit_mib=None,
        running=3,
        most_running=6,
    )
    quota = a_quota(groups=(a_group_share("nlp", jobs_apart=apart),))
    service.answer("GET share", share(quota=quota))
    rows = _rows(sublet("share").output)
    assert ["QUOTA", "OF", "HELD", "LIMIT"] in rows
    assert [row[1:] for row in rows if row[0] == "nlp"] == [
        ["jobs on H100", "1", "8"],
        ["jobs on L4", "2", "-"],
        ["jobs, all cards", "3", "10"],
        ["jobs, slices", "3", "6"],
    ]
    assert quota_lines(quota)[1:] == [
        "group nlp, jobs on H100: 1 (limit 8)",
        "group nlp, jobs on L4: 2 (no limit)",
        "group nlp, jobs, all cards: 3 (limit 10)",
        "group nlp, jobs, slices: 3 (limit 6)",
    ]
    quota = a_quota(own=a_group_share(jobs_apart=apart.model_copy(update={"limit_mib": 204800})))
    service.answer("GET share", share(quota=quota))
    assert ["yours", "jobs, memory", "128 GiB", "200 GiB"] in _rows(sublet("share").output)
    assert "yours, jobs, memory: 128 GiB (limit 200 GiB)" in quota_lines(quota)


def test_nothing_is_said_of_guarantees_where_there_are_none(service: FakeHubService):
    types = (TypeShare(gpu_type="H100", held=1, entitled=0, guaranteed=0, limit=2),)
    service.answer("GET share", share(quota=a_quota(own=a_group_share(types=types))))
    assert ["QUOTA", "OF", "HELD", "LIMIT"] in _rows(sublet("share").output)


def test_a_quota_is_told_in_eighty_columns_without_folding_figures(service: FakeHubService):
    service.answer("GET share", share(quota=_told_of_science()))
    lines = sublet_at_a_terminal(80, "share")
    assert max(map(len, lines)) <= 80
    assert ["science / nlp", "H100", "1.5", "1", "0.5", "2"] in _rows("\n".join(lines))


def test_a_slice_tells_whether_it_is_borrowed_and_why_it_was_called_back(
    service: FakeHubService,
):
    back = tell_rank(RankCode.CALLED_BACK, "nlp", "H100")
    kept = slice_info(rank=tell_rank(RankCode.ENTITLED, "nlp", "H100"), group="nlp")
    service.answer("GET share", share(slices=(slice_info(rank=back, group="nlp"), kept)))
    shown = sublet("share").output
    assert "called back; paid by nlp" in shown
    assert "guaranteed; paid by nlp" in shown
    assert [line for line in shown.splitlines() if back.meaning in line] == [f"s-1: {back.meaning}"]


def test_a_slice_tells_until_when_it_is_guaranteed_as_before(service: FakeHubService):
    until = datetime(2031, 5, 4, 14, 30).astimezone()
    graced = tell_rank(RankCode.ENTITLED, "nlp", "H100", as_before_until=until)
    told = share(slices=(slice_info(rank=graced, group="nlp"),))
    service.answer("GET share", told)
    assert "guaranteed until 2031-05-04 14:30 (as before)" in sublet("share").output
    lines = service_lines(told, told.slices[0].lease.slice_id)
    assert any("As before until 2031-05-04 14:30" in line for line in lines)


def test_a_job_is_submitted_with_the_group_that_pays_and_tells_who_does(service: FakeHubService):
    service.answer("POST jobs", job(), 201)
    assert sublet("jobs", "submit", "train.ipynb", "--group", "nlp").exit_code == 0
    assert service.asked[-1].body["group"] == "nlp"
    service.answer("GET jobs/j-1", job(group="nlp"))
    assert "Paid by" in sublet("jobs", "show", "j-1").output
    service.answer("GET jobs/j-1", job(slice=slice_info(group="arts")))
    assert ["Paid by", "arts"] in _rows(sublet("jobs", "show", "j-1").output)


def test_a_share_tells_of_servers_in_line(service: FakeHubService):
    service.answer("GET share", share())
    assert "In line" not in sublet("share").output
    service.answer("GET share", share(servers_waiting=2))
    assert "2 servers (sublet queue tells where)" in sublet("share").output


def test_a_share_tells_of_the_week(service: FakeHubService):
    week = WeekUse(since=NOW, gpu_hours=12.34, energy_wh=2500, lent_hours=40)
    service.answer("GET share", share(week=week))
    shown = sublet("share").output
    assert "12.3 GPU hours, 2.50 kWh; lent for 40.0 h" in shown
    unknown = week.model_copy(update={"energy_wh": None})
    service.answer("GET share", share(week=unknown))
    assert "kWh" not in sublet("share").output


def test_a_share_tells_what_is_not_as_it_should_be_and_what_to_do(service: FakeHubService):
    over = CapUse(held_mib=41 * 1024, cap_mib=40 * 1024)
    warnings = tell_warnings(cap_warning(over), "managed memory", Obstacle.NOT_SUPPORTED)
    service.answer("GET share", share(slices=(slice_info(warnings=warnings),)))
    shown = sublet("share").output
    for told in warnings:
        assert f"s-1: {told.advice}" in shown.splitlines()
    words = " ".join(shown.split())
    assert "holds 41 GiB, more" in words


def test_no_limit_of_memory_is_not_told_where_cards_are_limited(service: FakeHubService):
    own = a_group_share(held_mib=40960, held_cards=0.5, limit_cards=1)
    service.answer("GET share", share(quota=a_quota(own=own)))
    shown = sublet("share").output
    assert "40 GiB, 0.5 cards (limits: below)" in shown
    assert "no limit" not in shown


def test_no_limit_is_told_only_where_all_that_could_say_one_is_known(service: FakeHubService):
    service.answer("GET share", share())
    assert "no limit)" in sublet("share").output
    service.answer("GET share", share(groups_known=False))
    shown = sublet("share", "--owner", "cleo").output
    assert "no limit)" not in shown
    assert "not known until they start a server" in shown


def test_the_share_of_who_does_not_exist_is_an_error(service: FakeHubService):
    told = {"reason": "not-found", "message": "JupyterHub knows no user 'x'", "numbers": {}}
    service.answer("GET share", told, 404)
    shown = sublet("share", "--owner", "x")
    assert (shown.exit_code, "knows no user 'x'" in shown.output) == (1, True)


def test_a_slice_is_given_up_and_resized(service: FakeHubService):
    service.answer("POST slices/s-1/give-up", slice_info())
    shown = sublet("give-up", "--slice", "s-1")
    assert (shown.exit_code, "may be lent at once" in shown.output) == (0, True)
    service.answer("POST slices/s-1/resize", slice_info())
    shown = sublet("resize", "--slice", "s-1", "--memory", "20 GiB", "--compute", "0.5")
    assert shown.exit_code == 0, shown.output
    assert service.asked[-1].body == {"size": None, "memory_mib": 20480, "compute_milli": 500}
    assert "restart a kernel" in shown.output
    assert sublet("resize", "large", "--slice", "s-1").exit_code == 0
    assert service.asked[-1].body["size"] == "large"


def _idle_until(ends_at: datetime, **more: datetime) -> IdleEnd:
    return IdleEnd(server="", ends_at=ends_at, idle_since=NOW, max_idle_s=3600, **more)


def test_an_idle_server_says_when_it_is_ended_and_is_extended(service: FakeHubService):
    ends = datetime(2031, 5, 4, 14, 30).astimezone()
    idle = slice_info(idle_end=_idle_until(ends, warned_at=NOW))
    told = ShownAnnouncement(
        announcement_id="idle-s-1", text="Save it.", made_at=NOW, until=ends, from_admin=False
    )
    service.answer("GET share", share(slices=(idle,), announcements=(told,)))
    shown = sublet("share").output
    assert "ended at 2031-05-04 14:30 if idle" in shown
    assert re.search(r"^From Sublet, .*: Save it\.$", shown, re.MULTILINE)
    service.answer("POST slices/s-1/extend", idle)
    shown = sublet("extend", "--slice", "s-1")
    assert (shown.exit_code, "may be idle until 2031-05-04 14:30" in shown.output) == (0, True)
    service.answer("POST slices/s-1/extend", slice_info())
    assert "is not idle" in sublet("extend", "--slice", "s-1").output


def test_it_is_said_for_which_job_a_server_is_not_ended(service: FakeHubService):
    spared = IdleSpared(job_id="j-1", job_name="train", runs=True, idle_since=NOW)
    service.answer("GET share", share(slices=(slice_info(idle_spared=spared),)))
    assert "not ended while job 'train', promoted from it, runs" in sublet("share").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Say which size"),
        (("--memory", "much"), "is no amount of memory"),
        (("--compute", "9"), "--compute '9' is no part of one GPU: write a number above 0"),
        (("",), "SIZE is empty"),
    ],
)
def test_a_size_that_is_none_is_not_sent(
    service: FakeHubService, arguments: tuple[str, ...], says: str
):
    shown = sublet("resize", "--slice", "s-1", *arguments)
    assert (shown.exit_code, says in shown.stderr) == (2, True)
    assert service.asked == []


def test_history_is_a_line_a_minute(service: FakeHubService):
    points = tuple(
        HistoryPoint(
            at=NOW + timedelta(seconds=10 * number),
            memory_mib=1024 * number,
            host_mib=0,
            utilisation_percent=50,
            state=SliceState.RESIDENT,
            active=number < 3,
            lent=number > 9,
        )
        for number in range(12)
    )
    found = SliceHistory(slice_id="s-1", step_s=10, cap_mib=40960, points=points)
    service.answer("GET slices/s-1/history", found)
    _, first, second = sublet("history", "--slice", "s-1").output.splitlines()
    assert "5 GiB" in first
    assert first.split()[-1] == "active"
    assert "11 GiB" in second
    assert second.split()[-2:] == ["idle", "lent"]
    empty = found.model_copy(update={"points": ()})
    service.answer("GET slices/s-1/history", empty)
    assert "Nothing is known" in sublet("history", "--slice", "s-1").output


def test_submit_takes_files_along_and_forecasts(service: FakeHubService):
    service.answer("POST jobs", job(), 201)
    arguments = ("train.ipynb", "--take", "data", "--take", "model.py", "--retries", "2")
    assert sublet("jobs", "submit", *arguments).exit_code == 0
    assert service.asked[-1].body["take_along"] == ["data", "model.py"]
    assert service.asked[-1].body["retries"] == 2
    told = JobForecast(
        allowed=True,
        message="It would wait, at place 2: no GPU.",
        place=2,
        expected_wait_s=240,
        basis="the median wait of the last 5 jobs",
        max_run_s=43200,
    )
    service.answer("POST jobs/forecast", told)
    shown = sublet("jobs", "submit", "train.ipynb", "--forecast")
    assert shown.output == (
        "It would wait, at place 2: no GPU.\n"
        "Expected wait: 4 min, by the median wait of the last 5 jobs.\n"
        "It is stopped after 12 h 0 min at the latest, pauses not counted.\n"
        "Its notebook was not looked into: that happens when the job begins.\n"
    )
    assert service.asked[-1].path == "jobs/forecast?look=1"
    checked = JobForecast(allowed=True, message="It starts at once.", notebook_checked=True)
    service.answer("POST jobs/forecast", checked)
    shown = sublet("jobs", "submit", "train.ipynb", "--forecast")
    assert shown.output == "It starts at once.\n"
    service.answer("POST jobs/forecast", JobForecast(allowed=False, message="Too many jobs."))
    assert sublet("jobs", "submit", "train.ipynb", "--forecast").exit_code == 1


def test_a_forecast_where_the_service_sees_no_files_misses_the_notebook_nonetheless(
    service: FakeHubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(JOB_FILES_BELOW, str(tmp_path))
    service.answer("POST jobs/forecast", JobForecast(allowed=True, message="It starts at once."))
    missed = sublet("jobs", "submit", "train.ipynb", "--forecast")
    assert (missed.exit_code, "is not there" in missed.output) == (1, True)
    (tmp_path / "train.ipynb").touch()
    found = sublet("jobs", "submit", "train.ipynb", "--forecast")
    assert (found.exit_code, "not looked into" in found.output) == (0, True)


def test_a_cancelled_job_shows_an_admin_who_cancelled_it(service: FakeHubService):
    service.answer("GET jobs/j-1", job(state=JobState.CANCELLED, cancelled_by="z\x1boe"))
    assert "Cancelled by  z\\x1boe" in sublet("jobs", "show", "j-1").output


def test_a_job_is_run_again_and_shows_why_it_failed_before(service: FakeHubService):
    service.answer("POST jobs/j-1/again", job(job_id="j-2"), 201)
    assert sublet("jobs", "again", "j-1").output.startswith("Job j-2 is waiting")
    failure = JobFailure(cell=3, name="E", message="m", traceback="Traceback\n  \x1b[2Jline 1")
    failed = job(state=JobState.FAILED, place=None, failure=failure, attempts=3, retries=2)
    service.answer("GET jobs/j-1", failed)
    shown = sublet("jobs", "show", "j-1").output
    assert "3, 2 retries asked for" in shown
    assert "Traceback\n  \\x1b[2Jline 1" in shown


def test_a_slice_whose_agent_is_silent_is_shown_as_not_reachable(service: FakeHubService):
    told = share(slices=(slice_info(silent=True),), agents_silent=("n1",))
    service.answer("GET share", told)
    shown = sublet("share").output
    assert "not reachable, last seen" in shown
    assert "moved out" not in shown


@pytest.mark.parametrize("stands", [ShareKept.TOO_MANY, ShareKept.BEING_MEASURED])
@pytest.mark.parametrize("columns", [80, 300])
def test_a_slice_tells_how_its_share_and_its_cap_are_kept(
    service: FakeHubService, columns: int, stands: ShareKept
):
    kept = {
        "compute_kept": tell_share_kept(stands),
        "cap_kept": tell_cap_kept(("hami",), simulated=False),
    }
    service.answer("GET share", share(slices=(slice_info(**kept),)))
    shown = " ".join(" ".join(sublet_at_a_terminal(columns, "share")).split())
    assert f"compute share {share_kept_words(stands)}" in shown
    assert "memory cap kept by HAMi" in shown


def test_a_slice_that_is_capped_tells_the_number(service: FakeHubService):
    capped = tell_share_kept(ShareKept.CAPPED, 500)
    service.answer("GET share", share(slices=(slice_info(compute_kept=capped),)))
    shown = " ".join(sublet_at_a_terminal(300, "share"))
    assert "compute share capped at 50 % by the quota's max_compute" in " ".join(shown.split())


def test_a_slice_of_which_nobody_knows_what_keeps_it_tells_nothing(service: FakeHubService):
    service.answer("GET share", share(slices=(slice_info(),)))
    assert "kept" not in sublet("share").output


def test_slices_stand_in_eighty_columns_each_with_its_whole_id(service: FakeHubService):
    ids = ["7d3e40c4e01be210fee048a5324972c9", "4b37bcdeffd394f4f76cba8c788c9434"]
    told = [slice_info(lease=lease(slice_id=each, node="gpu-node-17")) for each in ids]
    service.answer("GET share", share(slices=tuple(told)))
    lines = sublet_at_a_terminal(80, "share")
    rows = [line for line in lines if any(each in line for each in ids)]
    assert [line.split()[0] for line in rows] == ids
    assert max(map(len, rows)) <= 80
    assert any(line.startswith("notebook: 40 GiB, 0.5 GPU of gpu-node-17 0") for line in lines)


def test_a_share_tells_what_will_be_taken_and_how_to_put_it_off(service: FakeHubService):
    ahead = (
        AheadInfo(
            notice_id="idle-s1",
            kind="server-idle",
            what="Your server is ended, with all that is in its kernels' memory.",
            why="It has been idle since 09:00.",
            advice="Run a cell, or extend it.",
            at=NOW,
            is_near=True,
            slice_id="s1",
            deed="extend",
            deed_s=4 * 3600,
        ),
        AheadInfo(
            notice_id="keep-s2",
            kind="keep-ends",
            what="Your server may be lent again.",
            why="You keep it until then.",
            advice="It comes back.",
            at=None,
            is_near=False,
            slice_id="s2",
            deed="keep",
            deed_s=1830,
        ),
        AheadInfo(
            notice_id="e1",
            kind="of-a-newer-service",
            what="Your server is stopped \x1b[1m.",
            why="By root: the fan.",
            advice="Save your work.",
            at=NOW,
            is_near=True,
            slice_id="s3",
            deed="of-a-newer-service",
            deed_s=60,
            why_no_deed="An admin stops it.",
        ),
    )
    same, another = (
        ShownAnnouncement(
            announcement_id=name, text=f"text of {name}", made_at=NOW, until=NOW, from_admin=True
        )
        for name in ("e1", "e2")
    )
    service.answer("GET share", share(ahead=ahead, announcements=(same, another)))
    shown = sublet("share").output
    assert "For 4 h from now: sublet extend --slice s1" in shown
    assert "For up to 30 min: sublet keep 30 --slice s2" in shown
    assert "! " in shown
    assert "\x1b" not in shown
    assert "An admin stops it." in shown
    assert "--slice s3" not in shown
    # What stands there is not told a second time.
    assert ("text of e1" in shown, "text of e2" in shown) == (False, True)
    service.answer("GET share", share())
    assert "taken" not in sublet("share").output
