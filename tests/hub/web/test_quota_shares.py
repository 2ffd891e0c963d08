"""What groups and people hold as it is told: guaranteed, borrowed, of jobs, and who pays."""

from datetime import timedelta
from typing import Any

from sublet_hub.ledger.records import GpuRecord
from sublet_hub.web.views.quota_share import quota_share
from sublet_hub.web.views.ranks import rank_of
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import AsBefore
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, UserName
from sublet_quota.wire.share import GroupShare, JobsShare, JobsTypeShare, QuotaShare, TypeShare

from tests.support.ledger_records import a_slice_record
from tests.support.quota_cases import NOON, gpu, holdings, job_slice, notebook, part

QUOTA = """
    gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}
    groups:
      science: {guaranteed: {H100: 1/2}, groups: {nlp: {guaranteed: {H100: 1/4}}}}
      course: {}
"""


def record(name: str, on: str = "gpu-0", **values: Any) -> Any:
    card = GpuRecord(
        GpuId(on), NodeId("node-a"), 0, "NVIDIA H100 80GB HBM3", 81920, 1024, simulated=True
    )
    return a_slice_record(name, "ada", card, **values)


def share_of(held: Holdings, *groups: str, owner: str = "ada") -> QuotaShare:
    rights = rights_of(held.document, owner, groups)
    own = [record(each.slice_id) for each in held.slices_of(UserName(owner)) if each.is_notebook]
    return quota_share(held, rights, own, 0, NOON)


def only_type(share: GroupShare) -> TypeShare:
    (of_type,) = share.types
    return of_type


def test_a_group_without_a_guarantee_and_its_members_borrow_where_others_have_one() -> None:
    held = holdings(QUOTA, notebook("a", group="course", amount=part(1 / 4)))
    quota = share_of(held, "course")
    for each in (only_type(quota.own), only_type(quota.groups[0])):
        assert (each.held, each.entitled, each.borrowed, each.jobs) == (0.25, 0, 0.25, 0)


def test_nobody_borrows_where_nothing_of_the_type_is_guaranteed() -> None:
    without = "gpu_types: {H100: {match: '*H100*'}}\ngroups: {course: {}}"
    quota = share_of(holdings(without, notebook("a", group="course")), "course")
    assert (only_type(quota.own).borrowed, only_type(quota.groups[0]).borrowed) == (None, None)


def test_cards_of_jobs_are_told_apart_and_are_not_borrowed() -> None:
    slices = notebook("a", group="nlp", amount=part(1 / 4)), job_slice("j", group="nlp")
    quota = share_of(holdings(QUOTA, *slices), "nlp")
    science = quota.groups[0]
    for each in (only_type(quota.own), only_type(science)):
        assert (each.held, each.jobs, each.entitled, each.borrowed) == (1.25, 1, 0.25, 0)


def test_where_jobs_have_a_limit_of_their_own_they_are_told_beside_slices() -> None:
    document = """
        gpu_types: {H100: {match: '*H100*'}}
        everyone: {jobs: {limit: {cards: 4, memory: 320 GiB}}}
        groups:
          science: {jobs: {limit: {H100: 8, slices: 9}}}
          course: {}
    """
    slices = notebook("a", group="science", amount=part(1 / 4)), job_slice("j", group="science")
    quota = share_of(holdings(document, *slices), "science", "course")
    course, science = quota.groups
    for each in (quota.own, science):
        assert (each.held_cards, only_type(each).held, only_type(each).jobs) == (0.25, 0.25, 0)
    told = JobsTypeShare(gpu_type="H100", held=1, limit=None)
    assert quota.own.jobs_apart == JobsShare(
        types=(told,),
        held_cards=1,
        limit_cards=4,
        held_mib=80896,
        limit_mib=320 * 1024,
        running=1,
        most_running=None,
    )
    assert science.jobs_apart == JobsShare(
        types=(told.model_copy(update={"limit": 8}),),
        held_cards=1,
        limit_cards=None,
        held_mib=80896,
        limit_mib=None,
        running=1,
        most_running=9,
    )
    assert course.jobs_apart is None


def test_what_is_guaranteed_is_told_while_every_card_of_the_type_is_closed() -> None:
    held = holdings(QUOTA, gpu(closed="fan"), notebook("a", group="course", amount=part(1 / 4)))
    assert held.tree("H100").root.guaranteed == 0
    told = rank_of(held, record("a", group="course"))
    assert told is not None
    assert told.code == "borrowed"
    assert only_type(share_of(held, "course").own).borrowed == 0.25


def test_a_group_that_still_pays_for_who_left_it_is_told_and_may_pay_no_more() -> None:
    held = holdings(QUOTA, notebook("a", group="course", member_of=("nlp",)), notebook("b", "ben"))
    told = {each.group: (each.may_pay, each.left) for each in share_of(held, "nlp").groups}
    assert told == {"science": (False, False), "nlp": (True, False), "course": (False, True)}
    others = share_of(held, "nlp", owner="ben").groups
    assert [each.group for each in others] == ["science", "nlp"]


def test_until_when_a_slice_is_guaranteed_as_before_is_told_with_its_rank() -> None:
    until = NOON + timedelta(hours=2)
    graced = notebook("a", group="course", before=AsBefore(until, 2))
    plain = notebook("b", group="course", since=1)
    held = holdings(QUOTA, graced, plain, notebook("c", group="nlp", before=AsBefore(until, 0)))
    told = {name: rank_of(held, record(name, group="course")) for name in "ab"}
    found = {name: each and (each.code, each.as_before_until) for name, each in told.items()}
    assert found == {"a": ("entitled", until), "b": ("borrowed", None)}
