"""What jobs fill of guarantees is kept from job to job, and equals what adding up anew says."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.job_order import Guarantees
from sublet_quota.names.ids import JobId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.entitlement import Piece, PieceId, entitle
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName

from tests.support.job_cases import under
from tests.support.quota_cases import H100, gpu, job_slice, notebook, part

TREE = """
groups:
  science: {guaranteed: {H100: 3}, groups: {nlp: {guaranteed: {H100: 2}}, vision: {}}}
  law: {guaranteed: {H100: 1}}
"""

filled = st.tuples(st.integers(0, 4), st.sampled_from([1, 2, 3, 5, 8]), st.booleans())


def anew(held: Holdings, counted: list[tuple[NodeName, Fraction]], *, with_jobs: bool) -> GroupTree:
    """The tree of what is left, from the leaves up."""
    tree, left = held.tree("H100"), dict[NodeName, Fraction]()
    for name, node in reversed(tuple(tree.nodes.items())):
        inside = sum((left[child.name] for child in node.children), Fraction(0))
        own = node.guaranteed - held.position("H100").held[name] if name != ROOT else inside
        own -= held.jobs_filling(name, "H100") if with_jobs and name != ROOT else 0
        own -= sum(cards for leaf, cards in counted if name in tree.paths[leaf])
        left[name] = max(own, inside)
    return tree.with_guarantees(left)


@given(
    there=st.lists(st.tuples(st.sampled_from(["nlp", "vision", "law"]), st.booleans()), max_size=6),
    changes=st.lists(filled, max_size=8),
    asked=st.integers(1, 12),
    with_jobs=st.booleans(),
)
def test_what_is_left_is_that_of_adding_up_anew(
    *,
    there: list[tuple[str, bool]],
    changes: list[tuple[int, int, bool]],
    asked: int,
    with_jobs: bool,
) -> None:
    cards = [gpu(f"h{n}", H100, index=n) for n in range(4)]
    slices = [
        job_slice(f"s{n}", amount=part(0.25), on=f"h{n % 4}", group=group)
        if is_job
        else notebook(f"s{n}", f"u{n}", part(0.25), f"h{n % 4}", group=group)
        for n, (group, is_job) in enumerate(there)
    ]
    held = under(TREE, *cards, *slices)
    leaves = sorted(held.tree("H100").leaves())
    kept, counted = Guarantees(held, with_jobs=with_jobs), list[tuple[NodeName, Fraction]]()
    for place, quarters, is_undone in changes:
        counted.append((leaves[place % len(leaves)], Fraction(quarters, 4)))
        kept.count("H100", *counted[-1])
        tree = anew(held, counted, with_jobs=with_jobs)
        for leaf in leaves:
            size = Fraction(asked, 4)
            (piece,) = entitle(tree, [Piece(PieceId("j"), leaf, size)])
            found = kept.fill("H100", [(JobId("j"), leaf, size)]).get(JobId("j"), Rank.BORROWED)
            steps = {0: Rank.BORROWED, len(tree.paths[leaf]): Rank.ENTITLED}
            assert found is steps.get(piece.entitled, Rank.ENTITLED_IN_PART)
            assert kept.rank_of_one("H100", leaf, size) is found
        if is_undone:
            leaf, cards_of_job = counted.pop()
            kept.count("H100", leaf, -cards_of_job)
