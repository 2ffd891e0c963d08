"""Who pays for a job, and what the payer's rights and limits say of it at submission."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_admission import AdmittedJob, admit_job
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.job_cases import a_job, under
from tests.support.quota_cases import H100, L4, NOON, document, gpu, job_slice, notebook, part
from tests.support.renamed import Names

CARDS = (gpu("h0", H100), gpu("h1", H100, index=1), gpu("l0", L4, index=2), gpu("l1", L4, index=3))
BOTH = ("lab", "course")
NONE = JobCounts()


def admitted(held: Holdings, wish: RequestedJob, counts: JobCounts = NONE) -> AdmittedJob:
    answer = admit_job(held, wish, counts, NOON)
    assert isinstance(answer, AdmittedJob), answer
    return answer


def refused(held: Holdings, wish: RequestedJob, counts: JobCounts = NONE) -> Refusal:
    answer = admit_job(held, wish, counts, NOON)
    assert isinstance(answer, Refusal), answer
    return answer


def test_who_is_in_no_group_pays_for_themselves() -> None:
    job = admitted(under("groups: {lab: {}}", *CARDS), RequestedJob("ada"))
    assert (job.group, job.named, job.member_of) == (None, False, ())


def test_the_named_group_pays() -> None:
    held = under("groups: {lab: {guaranteed: {H100: 2}}, course: {}}", *CARDS)
    job = admitted(held, RequestedJob("ada", BOTH, group="course"))
    assert (job.group, job.named, job.member_of) == ("course", True, ("course", "lab"))


def test_a_group_that_is_not_theirs_is_refused_with_those_that_are() -> None:
    held = under("groups: {lab: {}, course: {}, law: {}}", *CARDS)
    refusal = refused(held, RequestedJob("ada", BOTH, group="law"))
    assert refusal.reason is RefusalReason.UNKNOWN_GROUP
    assert "Choose one of: course, lab." in refusal.message


@pytest.mark.parametrize("lot", [0, 1])
def test_of_several_one_pays_that_is_due_the_job(lot: int) -> None:
    held = under("groups: {lab: {}, course: {guaranteed: {H100: 1}}}", *CARDS)
    assert admitted(held, RequestedJob("ada", BOTH, lot=lot)).group == "course"
    held.put(job_slice("s", on="h0", group="course"))
    held.put(notebook("n", "eve", part(1, L4), "l0", group="course"))
    assert admitted(held, RequestedJob("ada", BOTH, gpu_type="H100", lot=0)).group == "course"
    assert admitted(held, RequestedJob("ada", BOTH, gpu_type="H100", lot=1)).group == "lab"


def test_else_one_with_most_room_below_its_limit() -> None:
    held = under(
        "groups: {lab: {limit: {cards: 2}}, course: {limit: {cards: 2}}}",
        *CARDS,
        notebook("n", "eve", part(1), "h0", group="lab"),
    )
    assert admitted(held, RequestedJob("ada", BOTH)).group == "course"


def test_exact_ties_go_by_lot() -> None:
    held = under("groups: {lab: {}, course: {}}", *CARDS)
    found = {admitted(held, RequestedJob("ada", BOTH, lot=lot)).group for lot in range(2)}
    assert found == {"lab", "course"}


@pytest.mark.parametrize("lot", range(4))
def test_exact_ties_hang_on_no_name(lot: int) -> None:
    said = document("groups: {lab: {}, law: {}}")
    wish = RequestedJob("ada", ("lab", "law"), lot=lot)
    orders = (("lab", "law"), ("law", "lab"))
    first, renamed = (
        admitted(Holdings(said, CARDS, turns=Names(groups=order)), wish).group for order in orders
    )
    assert first != renamed


def test_of_those_that_are_alike_each_has_the_same_chance_beside_one_that_fits_less() -> None:
    held = under("groups: {lab: {}, course: {}, law: {limit: {cards: 1}}}", *CARDS)
    wishes = [RequestedJob("ada", (*BOTH, "law"), lot=lot) for lot in range(6)]
    assert Counter(admitted(held, wish).group for wish in wishes) == {"lab": 3, "course": 3}


@pytest.mark.parametrize("groups", [("lab",), BOTH])
def test_a_further_group_takes_nothing_away(groups: tuple[str, ...]) -> None:
    held = under("groups: {lab: {}, course: {each: {jobs: {most: 0}}}}", *CARDS)
    admitted(held, RequestedJob("ada", groups), JobCounts(3))
    refusal = refused(held, RequestedJob("ada", ("course",)))
    assert "'ada' may have no jobs (groups.course.each.jobs.most, line " in refusal.message
    assert "ancel" not in refusal.message


STUDENTS = {
    "types of jobs": "{jobs: {types: [L4]}}",
    "types of slices": "{types: [L4]}",
    "a small size on small cards": "{sizes: [small]}",
}


@pytest.mark.parametrize("name", STUDENTS)
def test_who_is_limited_to_small_cards_uses_no_large_one_by_a_job(name: str) -> None:
    held = under(
        f"""
        sizes:
          - {{name: small, memory: 1, compute: 1, types: [L4]}}
          - {{name: whole, memory: 1, compute: 1}}
        groups: {{students: {STUDENTS[name]}}}
        """,
        *CARDS,
    )
    refusal = refused(held, RequestedJob("ada", ("students",), gpu_type="H100"))
    assert refusal.reason is RefusalReason.SIZE_NOT_ALLOWED
    assert refusal.why is not None
    assert refusal.why.group == "students"
    assert refusal.why.lines[0].line is not None
    admitted(held, RequestedJob("ada", ("students",), gpu_type="L4"))
    admitted(held, RequestedJob("ada", ("students",)))
    admitted(held, RequestedJob("ada", gpu_type="H100"))


def test_no_job_is_larger_than_the_largest_size_that_may_be_picked() -> None:
    held = under(
        """
        sizes: [{name: small, memory: 4 GiB, compute: 0.5}, {name: whole, memory: 1, compute: 1}]
        groups: {students: {sizes: [small]}}
        """,
        *CARDS,
    )
    students = ("students",)
    admitted(held, RequestedJob("ada", students, 4 * 1024, 500))
    refusal = refused(held, RequestedJob("ada", students, 4 * 1024 + 1, 500))
    assert refusal.numbers["largest_mib"] == 4 * 1024
    assert "Ask for 4 GiB" in refusal.message
    refused(held, RequestedJob("ada", students, 4 * 1024, 501))
    refused(held, RequestedJob("ada", students))
    admitted(held, RequestedJob("ada"))


def test_types_that_jobs_have_of_their_own_go_before_those_of_sizes() -> None:
    held = under(
        """
        sizes:
          - {name: small, memory: 1/2, compute: 1/2, types: [L4]}
          - {name: whole, memory: 1, compute: 1}
        groups: {students: {sizes: [small], jobs: {types: [H100]}}}
        """,
        *CARDS,
    )
    wish = RequestedJob("ada", ("students",), 30 * 1024, 500, gpu_type="H100")
    admitted(held, wish)
    refused(held, RequestedJob("ada", ("students",), 1024, 500, gpu_type="L4"))


def test_a_group_whose_jobs_may_use_no_type_has_none() -> None:
    held = under("groups: {course: {jobs: {types: []}}, lab: {}}", *CARDS)
    refusal = refused(held, RequestedJob("ada", ("course",)))
    assert "Group 'course' may run jobs on no type of GPU (groups.course.jobs.types, line" in (
        refusal.message
    )
    assert admitted(held, RequestedJob("ada", BOTH)).group == "lab"
    refusal = refused(held, RequestedJob("ada", BOTH, group="course"))
    assert [help_.kind for help_ in refusal.helps] == [HelpKind.OTHER_GROUP]
    assert "(lab)" in refusal.message


def test_how_many_jobs_a_group_has_together_counts_those_in_it_too() -> None:
    held = under("groups: {uni: {jobs: {most: 3}, groups: {lab: {}}}}", *CARDS)
    counts = JobCounts(1, {GroupName("uni"): 3}, {GroupName("uni"): 1})
    refusal = refused(held, RequestedJob("ada", ("lab",)), counts)
    assert refusal.reason is RefusalReason.TOO_MANY_JOBS
    assert refusal.numbers == {"jobs": 3, "most_jobs": 3}
    assert "Cancel a job" in refusal.message
    others = JobCounts(0, {GroupName("uni"): 3})
    assert "ancel" not in refused(held, RequestedJob("ada", ("lab",)), others).message
    admitted(held, RequestedJob("ada", ("lab",)), JobCounts(1, {GroupName("uni"): 2}))


def test_a_group_that_may_have_no_jobs_is_not_told_to_cancel_one() -> None:
    held = under("groups: {lab: {jobs: {most: 0}}}", *CARDS)
    refusal = refused(held, RequestedJob("ada", ("lab",)))
    assert "Group 'lab' may have no jobs (groups.lab.jobs.most, line " in refusal.message
    assert "ancel" not in refusal.message


DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("", None, DAY),
        ("", 2 * DAY, 2 * DAY),
        ("everyone: {jobs: {max_run: 2h}}", None, DAY / 12),
        ("everyone: {jobs: {max_run: 2h}}", DAY / 24, DAY / 24),
        ("everyone: {jobs: {max_run: 72h}}", None, 3 * DAY),
        ("everyone: {jobs: {max_run: 2h}}\ngroups: {lab: {jobs: {max_run: 3h}}}", None, DAY / 8),
    ],
)
def test_how_long_an_attempt_may_run_is_always_said(
    text: str, asked: timedelta | None, expected: timedelta
) -> None:
    wish = RequestedJob("ada", ("lab",), max_run=asked)
    assert admitted(under(text, *CARDS), wish).max_run == expected


def test_a_longer_run_than_is_allowed_is_refused_with_the_number() -> None:
    held = under("groups: {lab: {jobs: {max_run: 2h}}}", *CARDS)
    refusal = refused(held, RequestedJob("ada", ("lab",), max_run=timedelta(hours=3)))
    assert refusal.numbers == {"asked_s": 3 * 3600, "most_s": 2 * 3600}
    assert "groups.lab.jobs.max_run, line " in refusal.message
    assert refusal.message.endswith("Ask for less.")


NEVER = {
    "a type": ("lab: {limit: {H100: 1/2}}", 1, "0.5 cards of H100 in all"),
    "all types": ("lab: {limit: {cards: 1}}", 2, "1 card of all types in all"),
    "memory": ("lab: {limit: {memory: 20 GiB}}", 1, "20 GiB of memory in all"),
    "slices": ("lab: {limit: {slices: 1}}", 2, "1 slice in all"),
    "jobs' own": ("lab: {limit: {cards: 9}, jobs: {limit: {H100: 1}}}", 2, "1 card of H100"),
    "a group above": ("uni: {limit: {H100: 1}, groups: {lab: {}}}", 2, "Group 'uni' may have"),
    "a person's": ("lab: {each: {limit: {cards: 1}}}", 2, "'ada' may have 1 card"),
}


@pytest.mark.parametrize("name", NEVER)
def test_what_no_limit_ever_lets_in_is_refused_at_once(name: str) -> None:
    text, gpus, words = NEVER[name]
    held = under(f"groups: {{{text}}}", *CARDS)
    refusal = refused(held, RequestedJob("ada", ("lab",), gpus=gpus, gpu_type="H100"))
    assert words in refusal.message
    assert refusal.why is not None
    assert refusal.why.lines[0].line is not None
    assert [help_.kind for help_ in refusal.helps] == [HelpKind.LESS]
    assert refusal.message.endswith("Ask for less.")


@pytest.mark.parametrize(
    "limit", ["H100: 1/2", "cards: 1/2", "memory: 20 GiB", "slices: 0"], ids=lambda each: each[:5]
)
def test_whose_limit_never_lets_it_in_is_told_by_the_code(limit: str) -> None:
    asked = RequestedJob("ada", ("lab",), gpu_type="H100")
    for said, reason in (
        (f"{{limit: {{{limit}}}}}", RefusalReason.GROUP_LIMIT),
        (f"{{each: {{limit: {{{limit}}}}}}}", RefusalReason.USER_LIMIT),
    ):
        assert refused(under(f"groups: {{lab: {said}}}", *CARDS), asked).reason is reason


def test_a_limit_that_is_full_now_refuses_nobody() -> None:
    held = under(
        "groups: {lab: {limit: {H100: 1}}}",
        *CARDS,
        notebook("n", "eve", part(1), "h0", group="lab"),
    )
    admitted(held, RequestedJob("ada", ("lab",), gpu_type="H100"))


def test_a_job_whose_payer_is_no_more_may_use_what_its_owner_may() -> None:
    held = under("groups: {course: {types: [L4]}}", *CARDS)
    kinds = open_kinds(held)
    job = replace(a_job("j", "lab", 8), hub_groups=("course",))
    assert KnownRights(held.document).kinds_for(job, kinds) == {L4}


@pytest.mark.parametrize("groups", [(), ("course",), ("lab",)], ids=str)
def test_a_size_for_a_group_bounds_nobodys_jobs(groups: tuple[str, ...]) -> None:
    sizes = """
        sizes:
          - {name: small, memory: 1/8, compute: 1/8}
          - {name: whole, memory: 1, compute: 1, for: [lab]}
        groups: {lab: {}, course: {}}
    """
    admitted(under(sizes, *CARDS), RequestedJob("ada", groups))
    admitted(under(sizes, *CARDS), RequestedJob("ada", groups, memory_mib=20 * 1024))


SEVERAL_LIMITS = {
    "sizes": (
        (
            "sizes: [{name: s, memory: 8 GiB, compute: 1}, {name: m, memory: 40 GiB, compute: 1}]\n"
            "groups: {%s: {sizes: [s]}, %s: {sizes: [m]}}"
        ),
        RequestedJob("ada", BOTH, memory_mib=60 * 1024),
        "may have 40 GiB, 1 GPU on",
    ),
    "how long it runs": (
        "groups: {%s: {jobs: {max_run: 1h}}, %s: {jobs: {max_run: 5h}}}",
        RequestedJob("ada", BOTH, max_run=timedelta(hours=9)),
        "may run a job for 5 h at most",
    ),
    "cards": (
        "groups: {%s: {jobs: {limit: {cards: 0.25}}}, %s: {jobs: {limit: {cards: 0.5}}}}",
        RequestedJob("ada", BOTH, compute_milli=1000),
        "may have 0.5 cards of all types in all",
    ),
    "jobs": (
        "groups: {%s: {jobs: {most: 0}}, %s: {jobs: {most: 3}}}",
        RequestedJob("ada", BOTH),
        "has 3 jobs waiting or running and may have 3",
    ),
    "types": (
        "groups: {%s: {jobs: {types: []}}, %s: {jobs: {types: [L4]}}}",
        RequestedJob("ada", BOTH, gpu_type="*H100*"),
        "may run jobs on L4",
    ),
}


@pytest.mark.parametrize("larger", BOTH)
@pytest.mark.parametrize("of", SEVERAL_LIMITS)
def test_who_is_in_several_groups_is_told_of_the_one_that_leaves_most(of: str, larger: str) -> None:
    text, wish, told = SEVERAL_LIMITS[of]
    smaller = next(group for group in BOTH if group != larger)
    held = under(text % (smaller, larger), *CARDS)
    counts = JobCounts(of_group={GroupName(larger): 3})
    refusal = refused(held, wish, counts)
    assert f"Group '{larger}' {told}" in refusal.message
    assert smaller not in refusal.message
