"""Offers: each size, to be had now or not, in the words in which it would be refused."""

from textwrap import dedent

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.placement.offers import offers_for
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Rank

from tests.support.quota_cases import H100, L4, gib, gpu, holdings, notebook


def test_every_size_is_offered_on_an_empty_gpu_with_what_it_comes_to() -> None:
    offers = offers_for(holdings(), "ada", ())
    assert [(o.size, o.title, o.amount, o.allowed) for o in offers.offers] == [
        ("small", "Small: an eighth of a GPU", gib(79 / 8, 125), True),
        ("medium", "Medium: a quarter of a GPU", gib(79 / 4, 250), True),
        ("large", "Large: half a GPU", gib(79 / 2, 500), True),
        ("whole", "Whole: all of a GPU", gib(79, 1000), True),
    ]
    assert offers.default == "small"


def test_what_is_used_and_what_may_be_is_told() -> None:
    held = holdings("everyone: {limit: {memory: 50 GiB}}", notebook("a"))
    offers = offers_for(held, "ada", ())
    assert (offers.held.memory_mib, offers.held.slices) == (20480, 1)
    assert offers.rights.limit.memory.value == 51200
    assert [o.allowed for o in offers.offers] == [True, True, False, False]


def test_the_default_is_the_usual_size_while_it_is_to_be_had() -> None:
    text = dedent(
        """
        sizes:
          - {name: small, memory: 1/8, compute: 1/8}
          - {name: large, memory: 1/2, compute: 1/2, default: true}
        everyone: {limit: {memory: 50 GiB}}
        """
    )
    assert offers_for(holdings(text), "ada", ()).default == "large"
    assert offers_for(holdings(text, notebook("a")), "ada", ()).default == "small"
    full = holdings("everyone: {limit: {slices: 0}}")
    assert offers_for(full, "ada", ()).default is None


def test_without_any_gpu_every_size_says_so() -> None:
    held = holdings("", gpu())
    held.remove_gpu("gpu-0")
    offers = offers_for(held, "ada", ())
    assert {o.refusal.message for o in offers.offers if o.refusal} == {
        "Pool 'interactive' has no GPU now. Ask an administrator."
    }


def test_a_size_without_a_title_is_called_by_its_name() -> None:
    offers = offers_for(holdings("sizes: [{name: s, memory: 1/2, compute: 1}]"), "ada", ())
    assert offers.offers[0].title == "s"


@given(
    st.lists(st.integers(1, 79), max_size=6),
    st.sampled_from([(), ("lab",)]),
    st.sampled_from([None, "*L4"]),
)
def test_an_offer_holds_what_a_request_gets(
    promised: list[int], groups: tuple[str, ...], gpu_type: str | None
) -> None:
    held = holdings(
        "groups: {lab: {limit: {memory: 90 GiB}, sizes: [small, large]}}",
        gpu("gpu-0", H100),
        gpu("l", L4),
        *(notebook(f"s{n}", amount=gib(amount)) for n, amount in enumerate(promised)),
    )
    for offer in offers_for(held, "ada", groups, gpu_type).offers:
        answer = decide_slice(held, RequestedSlice("ada", groups, offer.size, gpu_type=gpu_type))
        if isinstance(answer, Refusal):
            assert offer.refusal == answer
        else:
            assert isinstance(answer, Placement)
            assert offer.allowed
            assert offer.amount == answer.amount


def test_each_offer_says_who_would_pay_and_how_it_would_stand() -> None:
    text = "groups: {lab: {guaranteed: {'NVIDIA H100 80GB HBM3': 1/4}}}"
    others = (notebook("x", "eve", gib(79, 1000)), notebook("y", "eve", gib(79, 1000)))
    offers = {o.size: o for o in offers_for(holdings(text, *others), "ada", ("lab",)).offers}
    assert offers["medium"].allowed
    assert (offers["medium"].group, offers["medium"].gpu_type) == ("lab", H100.type)
    assert (offers["medium"].rank, offers["medium"].calls_back) == (Rank.ENTITLED, 1)
    assert (offers["large"].rank, offers["large"].calls_back) == (Rank.BORROWED, 1)
    assert not offers["whole"].allowed
