"""The command ``sublet`` over a fake hub service."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_lab.command_line.tables import clock
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.not_frozen import NotFrozen
from sublet_quota.reasons.standings import Standing
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import ForeignProcesses, GpuReport, ToldUnfit, WaitReport
from sublet_quota.wire.api import EventInfo, GpuInfo, LendingState, Share
from sublet_quota.wire.jobs import JobLog
from sublet_quota.wire.standing import tell_standing

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, job, lease, report, share, slice_info, sublet
from tests.support.quota_shares import a_group_share, a_quota


def test_share_shows_slices_and_what_is_lent(service: FakeHubService):
    own = a_group_share(held_mib=40960, limit_mib=81920)
    told = share(slices=(slice_info(),), jobs_waiting=1, quota=a_quota(own=own))
    service.answer("GET share", told)
    shown = sublet("share")
    assert shown.exit_code == 0, shown.output
    assert "40 GiB (limit 80 GiB)" in shown.output
    assert "moved out, idle 3 min" in shown.output
    assert "0 MiB + 8 GiB in host memory" in shown.output
    assert "lent to a job" in shown.output
    assert service.asked[0].headers["Authorization"] == "Bearer a-token"
    as_json = sublet("share", "--json")
    assert Share.model_validate_json(as_json.output) == told


def test_share_says_that_a_slice_was_moved_from_which_card_and_when(service: FakeHubService):
    at = NOW - timedelta(minutes=10)
    service.answer("GET share", share(slices=(slice_info(came_from=1, came_at=at),)))
    words = f"was moved from GPU 1 of its node at {at.astimezone():%H:%M}, with all that it held"
    assert words in " ".join(sublet("share").output.split())
    bound = slice_info(came_from=1, came_at=at, moving_to=2)
    service.answer("GET share", share(slices=(bound,)))
    shown = " ".join(sublet("share").output.split())
    assert "was moved" not in shown
    assert "moves to GPU 2" in shown


def test_what_other_people_named_moves_no_cursor_and_is_no_markup(service: FakeHubService):
    evil = "x\x1b[2J\x1b]0;title\x07\r[bold]y[/bold]\u202e\x9b31m"
    service.answer("GET jobs", [job(name=evil, reason=evil)])
    for arguments in (("jobs", "list"), ("jobs", "list", "--json")):
        shown = sublet(*arguments).output
        assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(shown)
    assert "x\\x1b[2J\\x1b]0;title\\x07\\r[bold]y[/bold]\\u202e" in sublet("jobs", "list").output


def test_tables_have_no_colour_and_no_cut_names_when_not_at_a_terminal(service: FakeHubService):
    service.answer("GET jobs", [job(name="a-long-name-" * 3)])
    shown = sublet("jobs", "list").output
    assert "a-long-name-" * 3 in shown
    assert "\x1b" not in shown


def test_show_says_for_how_long_a_job_may_run(service: FakeHubService):
    service.answer("GET jobs/j-1", job(max_run_s=604_800))
    assert "7 d 0 h, pauses not counted" in sublet("jobs", "show", "j-1").output


def test_submit_sends_the_whole_request(service: FakeHubService):
    service.answer("POST jobs", job(), 201)
    shown = sublet(
        *("jobs", "submit", "train.ipynb", "-p", "epochs=3", "-p", "name=digits", "-p", "x=NaN"),
        *("--memory", "20 GiB", "--compute", "500m", "--max-run", "90m", "--env", "A=b=c"),
        *("--type", "L4"),
    )
    assert shown.exit_code == 0, shown.output
    assert shown.output == "Job j-1 is waiting: No slice is idle yet.\n"
    sent = service.asked[0].body
    assert sent["parameters"] == {"epochs": 3, "name": "digits", "x": "NaN"}
    assert (sent["memory_mib"], sent["compute_milli"], sent["max_run_s"]) == (20480, 500, 5400)
    assert sent["environment"] == {"A": "b=c"}
    assert sent["gpu_type"] == "L4"


def test_a_notebook_server_is_named_with_what_is_promoted_from_it(
    service: FakeHubService, monkeypatch: pytest.MonkeyPatch
):
    service.answer("POST jobs", job(), 201)
    service.answer("POST jobs/j-1/again", job(), 201)
    for name in ("", "big one"):
        monkeypatch.setenv("JUPYTERHUB_SERVER_NAME", name)
        sublet("jobs", "submit", "train.ipynb")
        sublet("jobs", "again", "j-1")
    monkeypatch.delenv("JUPYTERHUB_SERVER_NAME")
    sublet("jobs", "submit", "train.ipynb")
    assert [each.path for each in service.asked] == [
        "jobs?server=",
        "jobs/j-1/again?server=",
        "jobs?server=big+one",
        "jobs/j-1/again?server=big+one",
        "jobs",
    ]


@pytest.fixture
def job_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook folder that the service cannot reach."""
    monkeypatch.setenv("SUBLET_JOB_FILES_BELOW", str(tmp_path))
    (tmp_path / "train.ipynb").write_text("as submitted")
    return tmp_path


def test_submit_copies_the_notebook_where_the_service_cannot(
    service: FakeHubService, job_files: Path
):
    service.answer("POST jobs", job(name="train", job_id="j-1"), 201)
    service.answer("POST jobs/j-1/again", job(name="train", job_id="j-2", notebook="train.ipynb"))
    assert sublet("jobs", "submit", "train.ipynb").exit_code == 0
    (job_files / "train.ipynb").write_text("later")
    assert sublet("jobs", "again", "j-1").exit_code == 0
    kept = [job_files / "sublet-jobs" / f"train-j-{n}" / "files" / "train.ipynb" for n in (1, 2)]
    assert [path.read_text() for path in kept] == ["as submitted", "later"]


def test_submit_leaves_nothing_of_a_copy_whose_job_is_refused(
    service: FakeHubService, job_files: Path
):
    service.answer("POST jobs", {"reason": "x", "message": "No.", "numbers": {}}, 409)
    assert sublet("jobs", "submit", "train.ipynb").exit_code == 1
    assert list((job_files / "sublet-jobs").iterdir()) == []
    shown = sublet("jobs", "submit", "trian.ipynb")
    assert (shown.exit_code, len(service.asked)) == (1, 1)
    assert "'trian.ipynb' is not there" in shown.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--memory", "much"), "is no amount of memory"),
        (("--memory", "40"), "'40' is no amount of memory: write '40 GiB' or '512 MiB'\n"),
        (("-p", "epochs"), "takes NAME=VALUE"),
        (("--max-run", "soon"), "is no time"),
        (("--compute", "2000m"), "--compute '2000m' is no part of one GPU: write a number above 0"),
        (("--name", ""), "--name is empty: write at least one character"),
        (("-p", "x=1", "--take", ""), "--take is empty: write at least one character"),
    ],
)
def test_submit_refuses_what_it_cannot_read_by_itself(
    service: FakeHubService, arguments: tuple[str, ...], says: str
):
    shown = sublet("jobs", "submit", "train.ipynb", *arguments)
    assert shown.exit_code == 2
    assert says in shown.output
    assert service.asked == []


def test_a_refusal_is_shown_in_the_services_words_with_exit_code_1(service: FakeHubService):
    message = "Your group may hold 80 GiB, and holds 60 GiB: ask for 20 GiB or less."
    problem = {"reason": "group-limit", "message": message, "numbers": {"limit_mib": 81920}}
    service.answer("POST jobs", problem, 403)
    shown = sublet("jobs", "submit", "train.ipynb")
    assert (shown.exit_code, shown.stderr) == (1, f"Refused: {message}\n")
    as_json = sublet("jobs", "submit", "train.ipynb", "--json")
    assert as_json.exit_code == 1
    empty = {"why": None, "helps": [], "waits_for": []}
    assert json.loads(as_json.stdout) == {**problem, **empty}


def test_what_a_refusal_follows_from_and_what_helps_is_shown_below_it(service: FakeHubService):
    why = {
        "rule": "limit",
        "group": "lab",
        "lines": [{"path": "groups.lab.limit.H100", "line": 12, "in_message": False}],
        "group_in_message": False,
        "words": "Decided by a limit, for group 'lab' (groups.lab.limit.H100, line 12).",
    }
    helps = [
        {"kind": "other-size", "words": "pick another size (small)", "names": ["small"]},
        {"kind": "stop-one", "words": "stop another server of yours\x1b[31m"},
    ]
    problem = {
        "reason": "group-limit",
        "message": "No.",
        "why": why,
        "helps": helps,
        "waits_for": ["'b'", "users without a group"],
    }
    service.answer("POST jobs", problem, 403)
    lines = sublet("jobs", "submit", "train.ipynb").stderr.splitlines()
    assert lines[:3] == [
        "Refused: No.",
        f"  {why['words']}",
        "  In the way: 'b', users without a group",
    ]
    assert lines[3].startswith(
        "  What helps: pick another size (small); stop another server of yours"
    )
    assert "\x1b" not in lines[3]
    as_json = json.loads(sublet("jobs", "submit", "train.ipynb", "--json").stdout)
    assert (as_json["why"], as_json["waits_for"]) == (why, problem["waits_for"])


def test_show_tells_all_of_a_job(service: FakeHubService):
    failed = job(state=JobState.FAILED, reason="cell 3: ZeroDivisionError", place=None, exit_code=1)
    service.answer("GET jobs/j-1", failed)
    shown = sublet("jobs", "show", "j-1").output
    for text in ('{"epochs": 3}', "cell 3: ZeroDivisionError", "0/12", "train.ipynb"):
        assert text in shown


def test_log_prints_all_parts_without_escapes(service: FakeHubService):
    parts = {0: ("\x1b[32mone\x1b[0m\n", 12), 12: ("two\x07\n", 17), 17: ("", 17)}
    _answer_log(service, parts)
    shown = sublet("jobs", "log", "j-1")
    assert shown.output == "one\ntwo\\x07\n"


def test_following_a_log_ends_with_the_job_and_tells_its_failure(service: FakeHubService):
    _answer_log(service, {0: ("one\n", 4), 4: ("", 4)})
    service.answer("GET jobs/j-1", job(state=JobState.FAILED, place=None, reason="cell 1: Bad"))
    shown = sublet("jobs", "log", "--follow", "j-1")
    assert shown.exit_code == 1
    assert shown.stdout == "one\n"
    assert shown.stderr == "Job j-1 is failed: cell 1: Bad.\n"


def _answer_log(service: FakeHubService, parts: dict[int, tuple[str, int]]) -> None:
    for offset, (text, next_offset) in parts.items():
        part = JobLog(text=text, offset=offset, next_offset=next_offset, ended=True)
        service.answer(f"GET jobs/j-1/log?offset={offset}", part)


def test_cancel_and_a_job_that_is_not_there(service: FakeHubService):
    service.answer("POST jobs/j-1/cancel", job(state=JobState.CANCELLED, place=None, reason=""))
    assert sublet("jobs", "cancel", "j-1").output == "Job j-1 is cancelled.\n"
    missing = sublet("jobs", "cancel", "j-2")
    assert missing.exit_code == 1
    assert "no jobs/j-2/cancel" in missing.stderr


def test_an_id_cannot_lead_elsewhere(service: FakeHubService):
    for bad in ("../gpus", "a/b", "..%2f", "", "a?b"):
        assert sublet("jobs", "show", bad).exit_code == 2
    assert service.asked == []


def test_keep_takes_the_only_slice_and_off_ends_it(service: FakeHubService):
    service.answer("GET slices", [slice_info()])
    service.answer("POST slices/s-1/keep", slice_info(kept_until=NOW + timedelta(minutes=30)))
    assert "is not lent until" in sublet("keep", "30").output
    assert service.asked[-1].body == {"minutes": 30}
    service.answer("POST slices/s-1/keep", slice_info())
    assert sublet("keep", "--off").output == "Slice s-1 may be lent while it is idle.\n"
    assert service.asked[-1].body == {"minutes": 0}


def test_keep_asks_which_slice_of_several(service: FakeHubService, monkeypatch: pytest.MonkeyPatch):
    service.answer("GET slices", [slice_info(), slice_info(lease=lease(slice_id="s-2"))])
    shown = sublet("keep")
    assert shown.exit_code == 2
    assert "s-1, s-2" in shown.output
    service.answer("POST slices/s-2/keep", slice_info())
    monkeypatch.setenv("SUBLET_SLICE_ID", "s-2")
    assert sublet("keep").exit_code == 0


def test_gpus_shows_who_holds_what_lent_to_whom_and_who_waits(service: FakeHubService):
    waiting = slice_info(
        lease=lease(slice_id="s-2", owner="bob"),
        report=report(
            slice_id="s-2",
            active=True,
            wait=WaitReport(reason=WaitReason.TURN, place=1, waits_for=("s-1",)),
        ),
        standing=tell_standing(Standing.WAITING),
        lent_to=(),
        waits_for=("ada",),
    )
    gpu = GpuInfo(
        node="node-a",
        pool="interactive",
        report=GpuReport(
            gpu_id="SIM-0",
            index=0,
            type="Simulated H100 80GB",
            simulated=True,
            memory_mib=81920,
            used_mib=40960,
            closed="XID 79",
            foreign_processes=ForeignProcesses(
                count=1, pids=(42,), held_mib=2048, utilisation_percent=50
            ),
            unfit=(ToldUnfit(why=Unfit.DRIVER_UNLOADS),),
            unfrozen=NotFrozen.SWITCHED_OFF,
        ),
        slices=(slice_info(lent_to=("eve",)), waiting),
        promised_mib=163840,
        overcommit=2.0,
        seen_at=NOW,
        silent=False,
    )
    service.answer("GET gpus", [gpu])
    # Long remarks go over several lines.
    shown = " ".join(sublet("gpus").output.split())
    for text in (
        "simulated; closed: XID 79; pause only: process 42 of no slice holds 2 GiB and uses 50 %",
        "pause only: nothing keeps the driver loaded there, which bringing",
        "not all are frozen while one comes back: freezing is switched off",
        "waiting, active 3 min",
        "lent to eve",
        "waits (others have their turn, place 1) for ada",
    ):
        assert text in shown
    assert json.loads(sublet("gpus", "--json").output)[0]["promised_mib"] == 163840


def test_gpus_shows_what_is_not_told_and_not_as_nothing(service: FakeHubService):
    told = GpuReport(gpu_id="g", index=0, type="t", simulated=False, memory_mib=1024)
    known = {"node": "n", "pool": "p", "slices": (), "promised_mib": 0, "overcommit": 0.0}
    times = {"seen_at": NOW, "silent": False}
    closed = told.model_copy(
        update={
            "unfit": (ToldUnfit(why=Unfit.EXCLUSIVE),),
            "closed": "unfit: its compute mode does not let several processes on it",
            "utilisation_percent": 0,
        }
    )
    service.answer(
        "GET gpus",
        [GpuInfo(report=each, **known, **times) for each in (told, closed)],
    )
    shown = " ".join(sublet("gpus").output.split())
    for text in (
        "0 MiB not told",
        "its agent does not tell whether it is fit to be lent",
        "0 MiB 0 %",
        "its compute mode",
    ):
        assert shown.count(text) == 1


def test_lending_is_shown_and_switched(service: FakeHubService):
    service.answer("GET lending", LendingState(lending=True))
    assert sublet("lending", "show").output == "Lending is on.\n"
    off = LendingState(lending=False, reason="a demo", switched_by="root", switched_at=NOW)
    service.answer("PUT lending", off)
    shown = f"Lending is off (a demo), since {clock(NOW)}, by root.\n"
    assert sublet("lending", "off", "--reason", "a demo").output == shown
    assert service.asked[-1].body == {"lending": False, "reason": "a demo"}


def test_events_are_listed(service: FakeHubService):
    event = EventInfo(
        event_id="e-1",
        at=NOW,
        kind="suspended",
        node="node-a",
        gpu_id="SIM-0",
        slice_id="s-1",
        for_slice_id=None,
        owner="ada",
        bytes_mib=8192,
        took_s=2.75,
        detail="for bob",
    )
    service.answer("GET events", [event])
    shown = sublet("events", "--since", "2026-11-01", "--limit", "5").output
    assert "suspended" in shown
    assert "8 GiB" in shown
    assert "2.750 s" in shown
    assert "limit=5" in service.asked[0].path


def test_the_help_cuts_no_summary_off() -> None:
    for asked in ((), ("quota",), ("jobs",), ("queue",), ("lending",)):
        shown = sublet(*asked, "--help")
        assert shown.exit_code == 0
        assert not any(line.endswith("...") for line in shown.output.splitlines()[1:])
