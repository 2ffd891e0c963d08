"""Which type a card counts as, and which pool it belongs to: no order decides."""

from fractions import Fraction

import pytest
from sublet_quota.document.lookups.gpu_match import Ambiguous
from sublet_quota.document.value_kinds.cards import write_cards

from tests.support.quota_documents import document

TYPES = """
gpu_types:
  H100: {match: "*H100*"}
  H100-NVL: {match: NVIDIA H100 NVL}
  small: {match: ["*L4*", "*T4*"]}
  L40: {match: "*L40*"}
"""


@pytest.mark.parametrize(
    ("model", "gpu_type"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("nvidia h100 80gb", "H100"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("Tesla T4", "small"),
        ("NVIDIA L40S", Ambiguous(("L40", "small"))),
        ("NVIDIA B200", "NVIDIA B200"),
    ],
)
def test_an_exact_name_goes_before_a_pattern_and_two_patterns_decide_nothing(
    model: str, gpu_type: str | Ambiguous
) -> None:
    assert document(TYPES).type_of(model) == gpu_type


def test_without_types_a_model_is_its_own_type() -> None:
    assert document().type_of("NVIDIA L4") == "NVIDIA L4"


POOLS = """
gpu_types: {H100: {match: "*H100*"}, L4: {match: "*L4*"}}
pools:
  - {name: rest, default: true}
  - {name: training, types: [H100]}
  - {name: lab, types: [H100], nodes: [lab-1]}
  - {name: one, ids: [GPU-7]}
  - {name: floor, nodes: ["lab-*"]}
"""


@pytest.mark.parametrize(
    ("gpu_type", "node", "gpu_id", "pool"),
    [
        ("L4", "dgx", "GPU-1", "rest"),
        ("H100", "dgx", "GPU-1", "training"),
        ("H100", "lab-1", "GPU-1", "lab"),
        ("H100", "lab-1", "GPU-7", "one"),
        ("L4", "LAB-2", "GPU-1", "floor"),
        ("H100", "lab-2", "GPU-1", Ambiguous(("floor", "training"))),
    ],
)
def test_a_pool_has_what_it_names_most_exactly(
    gpu_type: str, node: str, gpu_id: str, pool: str | Ambiguous
) -> None:
    assert document(POOLS).pool_for(gpu_type, node, gpu_id) == pool


def test_a_card_that_no_pool_has_is_in_none() -> None:
    only = document("gpu_types: {L4: {match: L4}}\npools: [{name: p, types: [L4]}]")
    assert only.pool_for("H100", "n", "g") is None


@pytest.mark.parametrize(
    ("cards", "written"),
    [
        (Fraction(6), 6),
        (Fraction(1, 2), 0.5),
        (Fraction(3333, 10000), 0.3333),
        (Fraction(1, 10**6), 0.000001),
        (Fraction(1, 3), "1/3"),
    ],
)
def test_cards_are_written_as_a_document_may_write_them(
    cards: Fraction, written: float | str
) -> None:
    assert write_cards(cards) == written
