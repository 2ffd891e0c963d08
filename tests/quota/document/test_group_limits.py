"""The limits of groups: each binds, on the group and on all above it, and names its line."""

from fractions import Fraction

from sublet_quota.document.group_limits import limit_source
from sublet_quota.document.rights import (
    group_job_limits,
    group_jobs_most,
    group_limits,
)
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit, LimitKind, bounds

from tests.support.quota_documents import document

DOCUMENT = document(
    """
    groups:
      science:
        limit: {H100: 8, cards: 20, memory: unlimited}
        jobs: {most: 50}
        groups:
          nlp:
            limit: {slices: 4, memory: 1 GiB}
            jobs: {limit: {H100: 2.5}}
      other: {}
    """
)


def test_the_limits_of_a_group_and_of_all_above_it_bind() -> None:
    assert group_limits(DOCUMENT, "nlp") == {
        "science": Limit({"H100": Fraction(8)}, Fraction(20)),
        "nlp": Limit(memory_mib=1024, slices=4),
    }
    assert group_limits(DOCUMENT, "other") == {"other": Limit()}
    assert group_limits(DOCUMENT, None) == {}


def test_each_limit_names_its_line() -> None:
    path = tuple(NodeName(name) for name in DOCUMENT.path_of(GroupName("nlp")))
    asked = Amounts({"H100": Fraction(1)}, memory_mib=1, slices=1)
    met = bounds(group_limits(DOCUMENT, "nlp"), {}, path, asked)
    keys = [(bound.node, bound.kind, bound.gpu_type) for bound in met]
    assert {key: str(limit_source(DOCUMENT, GroupName(key[0]), *key[1:])) for key in keys} == {
        ("science", LimitKind.TYPE, "H100"): "groups.science.limit.H100 (line 4)",
        ("science", LimitKind.CARDS, None): "groups.science.limit.cards (line 4)",
        ("nlp", LimitKind.MEMORY, None): "groups.science.groups.nlp.limit.memory (line 8)",
        ("nlp", LimitKind.SLICES, None): "groups.science.groups.nlp.limit.slices (line 8)",
    }


def test_jobs_have_limits_of_their_own_where_a_group_says_so() -> None:
    assert group_job_limits(DOCUMENT, "nlp") == {"nlp": Limit({"H100": Fraction(5, 2)})}
    most = group_jobs_most(DOCUMENT, "nlp")
    assert {name: right.value for name, right in most.items()} == {"science": 50}
