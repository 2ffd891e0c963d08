"""Kueue's decaying usage and entry penalties, asked of ours: a resource as a GPU type.

Theirs is an average that comes near what is used; ours the use itself, worn off. The average is
ours by what one card counts at most.
"""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import inf, log

import pytest
from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName, direct_members
from sublet_quota.shares.past_use import CardUse, Span, past_use, per_weight, use_of

from tests.quota.foreign.foreign_cases import Case, NotSayableError, cases_of, compare, exact
from tests.support.quota_cases import NOON

FILE = "kueue_decay.yaml"
HOUR = timedelta(hours=1)
FOR_EVER = 2000 * HOUR
QUEUE = NodeName("queue")


def average(use: CardUse, now_s: float, half_life: timedelta) -> float:
    """What is used of cards on the average, as Kueue has it."""
    counted = use_of(use, NOON + timedelta(seconds=now_s), half_life)
    return counted * log(2) / half_life.total_seconds()


def near(found: float, expected: float) -> bool:
    """Equal, but for their rounding down at nine decimals."""
    return found == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(1.0, expected) * 10)


def penalties_agree(case: Case) -> bool:
    estimate = timedelta(seconds=case["sampling_interval_s"])
    half_life = timedelta(seconds=case["half_life_s"])
    for resource, amount in case["request"].items():
        use = CardUse(exact(amount), Fraction(1), Span(NOON), estimate=estimate)
        penalty = average(use, 0, half_life)
        if penalty <= 0 or not near(penalty, case["by_formula"][resource]):
            return False
    return True


@pytest.mark.parametrize("case", cases_of(FILE, "entry_penalty_cases"))
def test_an_estimate_is_charged_at_admission(case: Case) -> None:
    compare(case["id"], lambda: penalties_agree(case))


def decay_agrees(case: Case) -> bool:
    half_life = timedelta(seconds=case["half_life_s"])
    expect = case["expect"]
    for resource, amount in case["usage"].items():
        use = CardUse(exact(amount), Fraction(1), Span(NOON))
        found = [
            average(use, case["elapsed_s"] * sample, half_life)
            for sample in range(1, case["samples"] + 1)
        ]
        grows = all(a < b for a, b in pairwise(found))
        formula = case.get("by_formula", {}).get(resource, [])
        after = expect.get("after_samples", ())
        if not (
            found[0] > 0
            and grows
            and found[-1] <= expect.get("never_above", {}).get(resource, inf)
            and all(near(a, b) for a, b in zip(found, formula, strict=False))
            and all(
                abs(found[one["samples"] - 1] - one[resource]) <= expect["tolerance"]
                for one in after
            )
        ):
            return False
    return True


@pytest.mark.parametrize("case", cases_of(FILE, "decay_cases"))
def test_use_wears_off(case: Case) -> None:
    compare(case["id"], lambda: decay_agrees(case))


def usage_agrees(case: Case) -> bool:
    try:
        weight = GroupNode(QUEUE, case["queue_weight"]).weight
    except GroupTreeError as error:
        raise NotSayableError from error
    total = 0.0
    for resource, amount in case["consumed"].items():
        rate = exact(case["resource_weights"].get(resource, 1))
        steady = CardUse(exact(amount), rate, Span(NOON - FOR_EVER))
        total += average(steady, 0, HOUR)
    for resource, amount in case["penalty"].items():
        rate = exact(case["resource_weights"].get(resource, 1))
        charged = CardUse(exact(amount), rate, Span(NOON), estimate=FOR_EVER)
        total += average(charged, 0, HOUR)
    return per_weight(total, weight) == pytest.approx(case["expect"])


@pytest.mark.parametrize("case", cases_of(FILE, "usage_cases"))
def test_use_is_compared_by_rates_and_weight(case: Case) -> None:
    compare(case["id"], lambda: usage_agrees(case))


def weight_agrees(case: Case) -> bool:
    if case["error"]:
        raise NotSayableError
    tree = GroupTree.of([GroupNode(QUEUE)])
    if case["configured"] is not None:
        tree = GroupTree.of([GroupNode(QUEUE, case["configured"])])
    name = tree.leaf_of(QUEUE if case["found"] else None)
    assert name in (QUEUE, direct_members(ROOT))
    return tree.nodes[name].weight == case["expect"]


@pytest.mark.parametrize("case", cases_of(FILE, "queue_weight_cases"))
def test_the_weight_of_who_says_none_or_is_in_no_group(case: Case) -> None:
    compare(case["id"], lambda: weight_agrees(case))


def total_of(records: Mapping[str, Case], resource: str) -> float:
    """What is charged for the workloads that are on record, by our sum of them."""
    tree = GroupTree.of([GroupNode(QUEUE)])
    uses = [
        (
            QUEUE,
            CardUse(
                exact(one["amount"].get(resource, 0)),
                Fraction(1),
                Span(NOON + timedelta(seconds=one.get("at_s", 0))),
                estimate=FOR_EVER,
            ),
        )
        for one in records.values()
    ]
    counted = past_use(tree, uses, NOON + HOUR, HOUR)[QUEUE]
    return counted * log(2) / HOUR.total_seconds()


def ledger_agrees(case: Case) -> bool:
    records: dict[str, Case] = {}
    for one in case["ops"]:
        if one["op"] == "push":
            records[one["workload"]] = one
        else:
            records.pop(one["workload"], None)
    expect = case["expect"]
    resources = {name for one in case["ops"] for name in one.get("amount", {})}
    totals = {name: total_of(records, name) for name in resources}
    first_s = min((one.get("at_s", 0) for one in records.values()), default=None)
    return (
        bool(records) == expect["pending"]
        and all(totals[name] == pytest.approx(expect["total"].get(name, 0)) for name in totals)
        and expect.get("last_update_s", first_s) == first_s
        and expect.get("entry_exists", bool(records)) == bool(records)
    )


@pytest.mark.parametrize("case", cases_of(FILE, "penalty_ledger_cases"))
def test_what_is_charged_is_the_sum_of_what_is_on_record(case: Case) -> None:
    compare(case["id"], lambda: ledger_agrees(case))
