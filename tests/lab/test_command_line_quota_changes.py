"""``sublet quota preview``, ``apply``, ``history`` and ``rollback``: as admins read them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_lab.command_line.tables import plain
from sublet_quota.document.reading import read_quota_document
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.wire.quota import KeptIn, QuotaInForce
from sublet_quota.wire.quota_preview import (
    ClaimInfo,
    ConcernedSlice,
    ExcessInfo,
    JobForecastChange,
    PlacedWarning,
    QuotaPreviewInfo,
    RankForecast,
    RightForecast,
)
from sublet_quota.wire.quota_revisions import Applied, RevisionInfo, RevisionText
from sublet_quota.wire.rank import tell_rank

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet

TEXT = "everyone: {limit: {cards: 2}}\n"
BEFORE = "everyone: {limit: {cards: 1}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "quota.yaml"
    path.write_text(TEXT)
    return path


def in_force(revision: int | None) -> QuotaInForce:
    kept_in = KeptIn.FILE if revision is None else KeptIn.DATABASE
    return QuotaInForce(
        document=read_quota_document(BEFORE).model_dump(mode="json", by_alias=True),
        text=BEFORE,
        path="/etc/quota.yaml",
        kept_in=kept_in.value,
        revision=revision,
        loaded_at=NOW,
    )


def about(revision: int = 8, **values: Any) -> RevisionInfo:
    facts = {
        "revision": revision,
        "author": "root",
        "made_at": NOW,
        "reason": "a course",
        "keys_changed": 1,
        "in_force": True,
    }
    return RevisionInfo(**{**facts, **values})


NOTHING = QuotaPreviewInfo(
    at=NOW,
    revision=7,
    people=3,
    beyond=(),
    ranks=(),
    brought_back=(),
    claims=(),
    jobs=(),
    unmet=(),
    rights=(),
    warnings=(),
    left_out=0,
)
ADA, BOB = (ConcernedSlice(slice_id=who[0] * 32, owner=who) for who in ("ada", "bob"))


def rank(at: Any) -> RankForecast:
    return RankForecast(
        slice_id="a" * 32,
        owner="ada",
        group="research",
        before=tell_rank(RankCode.ENTITLED),
        after=tell_rank(RankCode.BORROWED),
        at=at,
    )


EVERYTHING = NOTHING.model_copy(
    update={
        "beyond": (
            ExcessInfo(
                beyond="guarantee",
                group="research",
                owner=None,
                held="1 card of H100",
                most="0.5 cards of H100",
            ),
            ExcessInfo(beyond="job-limit", group=None, owner="bob", held="2 cards", most="1 card"),
        ),
        "ranks": (rank(None), rank(NOW + timedelta(hours=24))),
        "brought_back": (BOB,),
        "claims": (
            ClaimInfo(
                group="research",
                gpu_type="H100",
                gpu_id="GPU-1",
                node="dgx-1",
                gpu_index=3,
                calls_back=(ADA, ADA),
                in_the_way=(BOB,),
            ),
        ),
        "jobs": (
            JobForecastChange(job_id="j1", owner="ada", group=None, before="is full", after=None),
            JobForecastChange(job_id="j2", owner="bob", group=None, before=None, after="kept"),
        ),
        "unmet": ("3 cards of H100 are guaranteed",),
        "rights": (
            RightForecast(
                group=None,
                right="limit of cards",
                before="1 card",
                after=None,
                people=2,
                named=("ada", "bob"),
            ),
        ),
        "warnings": ("few cards\x1b",),
        "placed": (
            PlacedWarning(line=3, key="gpu_types.L4", message="few cards"),
            PlacedWarning(line=None, key="", message="3 cards of H100 are guaranteed"),
        ),
        "left_out": 4,
    }
)


def test_a_document_is_checked_against_what_there_is(service: FakeHubService, file: Path) -> None:
    service.answer("POST quota/preview", EVERYTHING)
    shown = sublet("quota", "validate", "--hub", str(file))
    assert shown.exit_code == 0
    *warned, valid = shown.output.splitlines()
    expected = (*EVERYTHING.warnings, *EVERYTHING.unmet)
    assert warned == [plain(f"{file}: warning: {each}") for each in expected]
    assert "is valid" in valid
    told = json.loads(sublet("quota", "validate", "--hub", "--json", str(file)).output)
    assert told["warnings"] == [
        {"line": 3, "key": "gpu_types.L4", "message": "few cards"},
        {"line": None, "key": "", "message": "3 cards of H100 are guaranteed"},
    ]
    # A service of before tells sentences alone.
    service.answer("POST quota/preview", EVERYTHING.model_copy(update={"placed": ()}))
    told = json.loads(sublet("quota", "validate", "--hub", "--json", str(file)).output)
    assert [each["message"] for each in told["warnings"]] == list(expected)


def test_what_would_follow_is_told_in_parts(service: FakeHubService, file: Path) -> None:
    service.answer("POST quota/preview", EVERYTHING)
    shown = sublet("quota", "preview", str(file))
    assert shown.exit_code == 0, shown.output
    assert service.asked[-1].body == {"text": TEXT}
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert lines[0].startswith("Compared with revision 7 in force, at ")
    assert lines[0].endswith("people with slices or jobs now: 3.")
    assert "group research 1 card of H100 0.5 cards of H100 guarantee" in lines
    assert "bob 2 cards 1 card job limit" in lines
    assert any(line.startswith("ada research guaranteed borrowed at once") for line in lines)
    assert "bob" in lines[lines.index("Called back, and in their place again at once:") + 1]
    assert "research dgx-1 3 (H100) ada (2) bob" in lines
    assert "j1 of ada would start (now: is full)" in lines
    assert "j2 of bob would wait: kept (now: it would start)" in lines
    assert "3 cards of H100 are guaranteed" in lines
    assert "whoever limit of cards 1 card - 2" in lines
    assert "few cards\\x1b" in lines
    assert lines[-1] == "4 more are left out."
    told = json.loads(sublet("quota", "preview", str(file), "--json").output)
    assert told["claims"][0]["in_the_way"] == [{"slice_id": "b" * 32, "owner": "bob"}]


def test_that_nothing_would_follow_is_told_and_that_another_queue_decides(
    service: FakeHubService, file: Path
) -> None:
    service.answer("POST quota/preview", NOTHING.model_copy(update={"revision": None}))
    shown = sublet("quota", "preview", str(file)).output
    assert "Compared with the file in force" in shown
    assert shown.endswith("Nothing would follow.\n")
    coming = "lab: 8 cards of L4 for ml-101, next from 2026-12-07 13:00 UTC"
    service.answer("POST quota/preview", NOTHING.model_copy(update={"reservations": (coming,)}))
    shown = sublet("quota", "preview", str(file)).output
    assert f"Nothing would follow.\n\nReserved, now or later:\n  {coming}\n" in shown
    service.answer("POST quota/preview", NOTHING.model_copy(update={"jobs_are_planned": False}))
    assert "another queue decides that" in sublet("quota", "preview", str(file)).output


def test_a_document_that_could_not_be_in_force_is_refused_with_what_is_wrong(
    service: FakeHubService, file: Path
) -> None:
    problem = {"reason": "bad-quota-document", "message": "line 1: oh", "numbers": {}}
    service.answer("POST quota/preview", problem, 400)
    shown = sublet("quota", "preview", str(file))
    assert (shown.exit_code, "line 1: oh" in shown.output) == (1, True)
    file.write_bytes(b"\xff\xfe")
    shown = sublet("quota", "preview", str(file))
    assert (shown.exit_code, "no text in UTF-8: byte 0" in shown.output) == (1, True)


@pytest.mark.parametrize("width", [80])
def test_a_preview_fits_into_80_columns(
    service: FakeHubService, file: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("sublet_lab.command_line.tables._WIDTH_OF_FILES", width)
    service.answer("POST quota/preview", EVERYTHING)
    shown = sublet("quota", "preview", str(file)).output
    assert max(map(len, shown.splitlines()[1:])) <= width
    rows = [line for line in shown.splitlines() if "research" in line]
    assert len(rows) == 4


def test_a_document_is_applied_to_the_revision_that_is_in_force_as_the_command_begins(
    service: FakeHubService, file: Path
) -> None:
    service.answer("GET quota", in_force(7))
    done = Applied(about=about(), is_new=True, warnings=("few cards",))
    service.answer("POST quota/revisions", done)
    shown = sublet("quota", "apply", str(file), "--reason", "a course")
    assert shown.output.splitlines() == [
        "Revision 8 is in force: 1 key says something else.",
        "Warning: few cards",
    ]
    assert service.asked[-1].body == {"text": TEXT, "reason": "a course", "expect": 7}
    sublet("quota", "apply", str(file), "--reason", "a course", "--expect", "5")
    assert service.asked[-1].body["expect"] == 5
    service.answer("POST quota/revisions", done.model_copy(update={"is_new": False}))
    shown = sublet("quota", "apply", str(file), "--reason", "x")
    assert "Nothing was changed: revision 8" in shown.output
    told = json.loads(sublet("quota", "apply", str(file), "--reason", "x", "--json").output)
    assert told["about"]["revision"] == 8


def test_a_conflict_and_a_file_are_told_as_the_service_says(
    service: FakeHubService, file: Path
) -> None:
    service.answer("GET quota", in_force(None))
    problem = {"reason": "conflict", "message": "change /etc/quota.yaml", "numbers": {}}
    service.answer("POST quota/revisions", problem, 409)
    shown = sublet("quota", "apply", str(file), "--reason", "x")
    assert (shown.exit_code, "change /etc/quota.yaml" in shown.output) == (1, True)


@pytest.mark.parametrize("reason", ["", "a\nb", "x" * 1001])
def test_a_change_needs_a_reason_in_one_line(
    service: FakeHubService, file: Path, reason: str
) -> None:
    service.answer("GET quota", in_force(7))
    shown = sublet("quota", "apply", str(file), "--reason", reason)
    assert (shown.exit_code, "--reason" in shown.output) == (2, True)
    assert sublet("quota", "apply", "-", stdin=TEXT).exit_code == 2
    assert all(asked.method == "GET" for asked in service.asked)


def test_a_rollback_names_the_revision_and_what_is_in_force(service: FakeHubService) -> None:
    service.answer("GET quota", in_force(7))
    service.answer("POST quota/rollback", Applied(about=about(), is_new=True))
    shown = sublet("quota", "rollback", "5", "--reason", "too much")
    assert shown.exit_code == 0
    assert service.asked[-1].body == {"revision": 5, "reason": "too much", "expect": 7}


def test_the_history_tells_who_changed_what_when_and_why(service: FakeHubService) -> None:
    listed = [about(8), about(7, author="eve\x1b", in_force=False, keys_changed=12)]
    service.answer("GET quota/revisions", listed)
    lines = sublet("quota", "history").output.splitlines()
    assert lines[1].split()[:4] == ["in", "force", "8", "root"]
    assert lines[2].split()[:2] == ["7", "eve\\x1b"]
    assert lines[2].split()[4:] == ["12", "a", "course"]
    assert len(json.loads(sublet("quota", "history", "--json").output)) == 2


def revision(before: str | None, text: str = TEXT) -> RevisionText:
    return RevisionText(about=about(), text=text, text_before=before)


def test_what_a_revision_changed_is_told_by_key(service: FakeHubService) -> None:
    service.answer("GET quota/revisions/8", revision(BEFORE))
    lines = [line.split() for line in sublet("quota", "history", "8").output.splitlines()]
    assert lines[0] == ["Revision", "8", "(in", "force)"]
    assert lines[-1] == ["everyone.limit.cards", "1", "2"]
    told = json.loads(sublet("quota", "history", "8", "--json").output)
    assert told["keys"] == [{"what": "everyone.limit.cards", "before": "1", "after": "2"}]
    assert "+everyone: {limit: {cards: 2}}" in told["lines"]
    service.answer("GET quota/revisions/8", revision(TEXT, f"# why\n{TEXT}"))
    assert sublet("quota", "history", "8").output.endswith("No key says something else.\n")
    service.answer("GET quota/revisions/8", revision(None))
    assert "None before it is kept" in sublet("quota", "history", "8").output


def test_what_this_version_cannot_read_is_compared_by_line(service: FakeHubService) -> None:
    service.answer("GET quota/revisions/8", revision("old: spelling\n"))
    lines = sublet("quota", "history", "8").output.splitlines()
    assert lines[-2:] == ["-old: spelling", "+everyone: {limit: {cards: 2}}"]


def test_what_is_compared_with_is_told_by_its_revision(service: FakeHubService, file: Path) -> None:
    service.answer("GET quota", in_force(7))
    shown = sublet("quota", "diff", str(file)).output
    assert shown.startswith("Compared with revision 7, which is in force.\n")
    assert json.loads(sublet("quota", "diff", str(file), "--json").output)["revision"] == 7


def test_an_earlier_document_is_shown_as_it_was_written(service: FakeHubService) -> None:
    service.answer("GET quota/revisions/8", revision(BEFORE))
    shown = sublet("quota", "show", "--revision", "8").output
    assert shown.splitlines()[-1] == TEXT.strip()
    assert json.loads(sublet("quota", "show", "--revision", "8", "--json").output)["text"] == TEXT
    service.answer("GET quota", in_force(7))
    assert "Revision  7, in the service's database" in sublet("quota", "show").output


def test_a_document_with_errors_is_refused_with_a_line_for_each(
    service: FakeHubService, file: Path
) -> None:
    told = "the quota document has 2 errors:\n  - line 1: a: is empty\n  - line 2: b\nRevision 9"
    service.answer(
        "POST quota/preview", {"reason": "bad-document", "message": told, "numbers": {}}, 422
    )
    refused = sublet("quota", "preview", str(file))
    assert refused.exit_code == 1
    assert refused.output.splitlines() == [
        "Refused: the quota document has 2 errors:",
        "  - line 1: a: is empty",
        "  - line 2: b\\nRevision 9",
    ]
