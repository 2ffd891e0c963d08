"""What one user may have: the user's entry, else the most generous group, else everyone."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sublet_quota.document.rights import (
    DEFAULT_KEEP_A_DAY,
    DEFAULT_MOST_JOBS,
    DEFAULT_MOST_SLICES,
    rights_of,
)

from tests.support.quota_cases import document

DOCUMENT = document(
    """
    everyone: {limit: {memory: 10 GiB}, most_slices: 1, keep_a_day: 1h}
    groups:
      few: {each_member: {limit: {memory: 20 GiB}, most_slices: 2, most_jobs: 3}, sizes: [small]}
      many: {each_member: {limit: {memory: 40 GiB}, keep_a_day: 2h}, sizes: [small, large]}
      all: {each_member: {limit: {memory: unlimited}}, own_amounts: true}
      silent: {}
    users:
      ada: {limit: {memory: 5 GiB}, sizes: [whole]}
      bob: {most_slices: unlimited}
    """
)


@dataclass(frozen=True)
class Case:
    owner: str
    groups: tuple[str, ...]
    expected: dict[str, Any]


CASES = {
    "nobody in particular has what everyone has": Case(
        "eve", (), {"limit_mib": 10240, "limit_milli": None, "most_slices": 1, "sizes": None}
    ),
    "a group goes before everyone": Case("eve", ("few",), {"limit_mib": 20480, "most_slices": 2}),
    "the most generous of several groups counts": Case(
        "eve", ("few", "many"), {"limit_mib": 40960, "sizes": frozenset({"small", "large"})}
    ),
    "unlimited is the most generous": Case("eve", ("all", "many"), {"limit_mib": None}),
    "each right is merged by itself": Case(
        "eve", ("few", "many"), {"most_slices": 2, "most_jobs": 3, "keep_a_day": timedelta(hours=2)}
    ),
    "a group that says nothing takes nothing away": Case(
        "eve", ("silent", "few"), {"limit_mib": 20480, "sizes": frozenset({"small"})}
    ),
    "a group that says nothing leaves what everyone has": Case(
        "eve", ("silent",), {"limit_mib": 10240}
    ),
    "a group that the document does not know says nothing": Case(
        "eve", ("strangers",), {"limit_mib": 10240, "groups": ()}
    ),
    "the user's entry goes before every group": Case(
        "ada", ("all",), {"limit_mib": 5120, "sizes": frozenset({"whole"})}
    ),
    "what the user's entry leaves out the groups say": Case("ada", ("few",), {"most_slices": 2}),
    "a user may be without a limit": Case("bob", ("few",), {"most_slices": None}),
    "own amounts are for who may pick any size": Case("eve", (), {"own_amounts": True}),
    "own amounts are not for whom only some sizes are": Case(
        "eve", ("few",), {"own_amounts": False}
    ),
    "unless somebody says so": Case("eve", ("few", "all"), {"own_amounts": True}),
    "groups come in the order of the document": Case(
        "eve", ("many", "few"), {"groups": ("few", "many")}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rights_are_merged_by_the_rule(name: str) -> None:
    case = CASES[name]
    rights = rights_of(DOCUMENT, case.owner, case.groups)
    assert {key: getattr(rights, key) for key in case.expected} == case.expected


def test_an_empty_document_limits_how_many_but_not_how_much() -> None:
    rights = rights_of(document(), "eve", ("any",))
    assert (rights.limit_mib, rights.limit_milli) == (None, None)
    assert rights.most_slices == DEFAULT_MOST_SLICES
    assert rights.most_jobs == DEFAULT_MOST_JOBS
    assert rights.keep_a_day == DEFAULT_KEEP_A_DAY


@pytest.mark.parametrize("groups", [("few", "many", "all"), ("all", "many", "few")])
def test_the_order_of_the_users_groups_does_not_matter(groups: tuple[str, ...]) -> None:
    assert rights_of(DOCUMENT, "eve", groups) == rights_of(DOCUMENT, "eve", groups[::-1])
