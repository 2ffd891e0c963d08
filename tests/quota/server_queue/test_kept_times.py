"""Times of those in line beside reservations: none where the card may be kept by then."""

from datetime import datetime, timedelta

import pytest
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.server_queue import Expected, ExpectedFrom
from sublet_quota.server_queue.kept_times import MOST_BEGINS, kept_times

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued, with_line
from tests.support.quota_cases import NOON, document, gpu, notebook, part

HOUR = timedelta(hours=1)
TEXT = (
    "gpu_types: {H100: {match: '*H100*'}}\n"
    + PARTS
    + "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
    + "notebooks: {when_full: queue, wait_most: 8h}\n"
    + "groups: {a: {}, b: {}}\n"
)
OF_C = TEXT.replace("b: {}", "b: {}, c: {guaranteed: {H100: 1}}")
RESERVED = """reservations:
  - {name: lab, for: a, guaranteed: {H100: 1}, at: "Mon 14:00-16:00"}
"""


def a_line(text: str, *cards: GpuFacts) -> HubWithLine:
    """Cards that others have whole, and who waits for a half: a member of b, then one of a."""
    groups = (None, "c")
    held = [
        notebook(f"s{n}", f"o{n}", part(1), each.gpu_id, group=groups[n])
        for n, each in enumerate(cards)
    ]
    holdings = Holdings(document(text).at(NOON), cards, held)
    return with_line(SmallHub(holdings), [queued("bob", "b"), queued("ada", "a", minute=1)])


def expected(line: HubWithLine, name: str, *ends: datetime) -> Expected:
    of_slices = {SliceId(f"s{n}"): end for n, end in enumerate(ends)}
    return line.waits(of_slices=of_slices)[name].expected


def at(hours: float) -> Expected:
    return Expected(NOON + hours * HOUR, ExpectedFrom.KNOWN_ENDS, "H100")


UNKNOWN = Expected(None, ExpectedFrom.RESERVED)


@pytest.mark.parametrize(
    ("end", "told"), [(1.5, at(1.5)), (1.9, UNKNOWN), (2.5, UNKNOWN), (5, UNKNOWN)]
)
def test_no_end_is_told_at_which_the_card_may_be_kept_for_others(
    end: float, told: Expected
) -> None:
    line = a_line(TEXT + RESERVED, gpu())
    assert expected(line, "bob", NOON + end * HOUR) == told
    assert expected(a_line(TEXT, gpu()), "bob", NOON + end * HOUR) == at(end)


def test_the_reservations_own_are_told_the_end() -> None:
    assert expected(a_line(TEXT + RESERVED, gpu()), "ada", NOON + 3 * HOUR) == at(3)


def test_the_end_on_a_card_that_is_not_reserved_is_told() -> None:
    line = a_line(OF_C + RESERVED, gpu("gpu-0"), gpu("gpu-1", index=1))
    assert list(kept_times(line.hub.holdings, NOON).of_cards) == ["gpu-0"]
    assert expected(line, "bob", NOON + 3 * HOUR, NOON + 4 * HOUR) == at(4)


def test_of_what_begins_after_those_that_are_looked_at_nothing_is_told() -> None:
    days = ("Mon 14:00-15:00", "Tue 14:00-15:00", "Wed 14:00-15:00", "Thu 14:00-15:00")
    written = "reservations:\n" + "".join(
        f'  - {{name: l{n}, for: a, guaranteed: {{H100: 1}}, at: "{day}"}}\n'
        for n, day in enumerate(days)
    )
    line = a_line(OF_C + written, gpu("gpu-0"), gpu("gpu-1", index=1))
    known = kept_times(line.hub.holdings, NOON)
    assert len(days) > MOST_BEGINS
    assert known.known_until == NOON + timedelta(days=3, hours=2, minutes=-10)
    soon, late = NOON + timedelta(days=3), NOON + timedelta(days=4)
    for moment, is_barred in ((soon, False), (late, True)):
        assert known.bars(line.hub.holdings.document, "gpu-1", "b", moment) is is_barred
