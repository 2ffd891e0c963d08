"""What follows for those in line when a reservation or an exception ends: only what surely does.

No slice ends with either. Who had room by it keeps that, borrowed; so a time is told to none but
who is due the room then.
"""

from datetime import datetime, timedelta

import pytest
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.server_queue import Expected, ExpectedFrom
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.turns import next_placed

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued, with_line
from tests.support.quota_cases import NOON, document, gpu, notebook, part

HEAD = (
    "gpu_types: {H100: {match: '*H100*'}}\n"
    + PARTS
    + "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
    + "notebooks: {when_full: queue, wait_most: 4h}\n"
)
GROUPS = "groups: {a: {}, b: {}}\n"
RESERVED = """
reservations:
  - {name: lab, for: a, guaranteed: {H100: 1}, at: "Mon 11:00-14:00"}
"""
AT_TWO = NOON + timedelta(hours=2)
EXCEPTION = """
exceptions:
  - {groups: [a], set: {guaranteed: {H100: 1}}, until: "2026-11-23 14:00Z", why: paper}
"""
NOTHING_KNOWN = Expected(None, ExpectedFrom.NOTHING_KNOWN)


def line_at(
    text: str, *line: QueuedServer, held: tuple[Holding, ...] = (), cards: tuple[GpuFacts, ...] = ()
) -> HubWithLine:
    """A card of which a has both halves by what is written, and who waits at noon."""
    slices = held or tuple(notebook(f"s{n}", "ann", part(0.5), group="a") for n in range(2))
    holdings = Holdings(document(text).at(NOON), cards or (gpu(),), slices)
    return with_line(SmallHub(holdings), line)


def then(found: HubWithLine, at: datetime) -> Placement | None:
    """Whose turn it is at a moment, if nothing else has happened."""
    holdings = found.hub.holdings
    after = holdings.under(holdings.document.as_written.at(at), at, timedelta())
    turn = next_placed(after, found.order())
    return None if turn is None else turn.placement


@pytest.mark.parametrize(
    ("written", "by"),
    [(RESERVED, ExpectedFrom.RESERVATION_ENDS), (EXCEPTION, ExpectedFrom.EXCEPTION_ENDS)],
)
def test_who_is_due_room_by_share_when_it_ends_is_told_so(written: str, by: ExpectedFrom) -> None:
    found = line_at(HEAD + GROUPS + written, queued("bob", "b"))
    assert found.waits()["bob"].expected == Expected(AT_TWO, by, "H100")
    placement = then(found, AT_TWO)
    assert placement is not None
    assert placement.calls_back == (SliceId("s1"),)
    assert then(found, AT_TWO - timedelta(seconds=1)) is None


@pytest.mark.parametrize("written", [RESERVED, EXCEPTION])
def test_an_end_that_only_makes_slices_borrowed_is_told_to_nobody(written: str) -> None:
    """Of the same group nobody is due what another has: it keeps that, borrowed."""
    found = line_at(HEAD + GROUPS + written, queued("eve", "a"))
    assert found.waits()["eve"].expected == NOTHING_KNOWN
    assert then(found, AT_TWO) is None


def test_the_end_of_a_persons_exception_ends_nothing_of_theirs() -> None:
    text = HEAD.replace("slices: unlimited", "H100: 1/2") + GROUPS
    more = (
        "exceptions:\n"
        '  - {who: [ann], set: {limit: {H100: 1}}, until: "2026-11-23 14:00Z", why: thesis}\n'
    )
    found = line_at(text + more, queued("eve", "a"))
    assert found.waits()["eve"].expected == NOTHING_KNOWN
    assert then(found, AT_TWO) is None


def test_who_is_kept_below_a_limit_by_an_exception_is_told_when_that_ends() -> None:
    less = (
        "exceptions:\n"
        '  - {who: [bob], set: {limit: {H100: 1/4}}, until: "2026-11-23 14:00Z", why: repaid}\n'
    )
    own = (notebook("own", "bob", part(0.25), group="b"),)
    found = line_at(HEAD + GROUPS + less, queued("bob", "b"), held=own)
    expected = found.waits()["bob"].expected
    assert expected == Expected(AT_TWO, ExpectedFrom.EXCEPTION_ENDS, "H100")


def test_only_the_first_is_told_as_the_next_hangs_on_what_it_takes() -> None:
    line = [queued(name, "b", minute=n) for n, name in enumerate(("bob", "bea"))]
    found = line_at(HEAD + GROUPS + RESERVED, *line).waits()
    assert [each.expected.at for each in found.values()] == [AT_TWO, None]


def test_who_comes_behind_one_that_keeps_the_card_is_told_nothing() -> None:
    line = [queued("eve", "a"), queued("bob", "b", minute=1)]
    found = line_at(HEAD + GROUPS + RESERVED, *line)
    assert [each.expected for each in found.waits().values()] == [NOTHING_KNOWN, NOTHING_KNOWN]
    assert then(found, AT_TWO) is None


def test_a_sooner_end_of_a_slice_goes_before() -> None:
    found = line_at(HEAD + GROUPS + RESERVED, queued("bob", "b"))
    ends = {SliceId("s0"): NOON + timedelta(hours=1)}
    expected = found.waits(of_slices=ends)["bob"].expected
    assert expected == Expected(NOON + timedelta(hours=1), ExpectedFrom.KNOWN_ENDS, "H100")
    late = {SliceId("s0"): NOON + timedelta(hours=3)}
    assert found.waits(of_slices=late)["bob"].expected.at == AT_TWO


@pytest.mark.parametrize("hours", ["13:57-15:00", "14:00-15:00", "14:09-15:00"])
def test_nothing_is_told_where_another_reservation_begins_about_then(hours: str) -> None:
    other = f'  - {{name: next, for: a, guaranteed: {{H100: 1}}, at: "Mon {hours}"}}\n'
    found = line_at(HEAD + GROUPS + RESERVED + other, queued("bob", "b"))
    assert found.waits()["bob"].expected == NOTHING_KNOWN


def test_nothing_is_told_of_an_end_that_comes_after_the_wait() -> None:
    text = HEAD.replace("wait_most: 4h", "wait_most: 1h") + GROUPS + RESERVED
    assert line_at(text, queued("bob", "b")).waits()["bob"].expected == NOTHING_KNOWN


def test_nothing_is_told_while_somebodys_turn_has_come() -> None:
    line = [queued("now", "a"), queued("bob", "b", size="whole", minute=1)]
    held = (notebook("s", "ann", part(0.5), group="a"),)
    found = line_at(HEAD + GROUPS + RESERVED, *line, held=held).waits()
    assert found["now"].expected.by is ExpectedFrom.TURN_NOW
    assert found["bob"].expected.at is None
