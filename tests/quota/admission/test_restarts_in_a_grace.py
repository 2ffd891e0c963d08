"""A server that restarts while a grace lasts is told the rank that its slice then has."""

from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import NOON, document, gpu

SHRUNK = (
    "gpu_types: {H100: {match: '*H100*'}}"
    + PARTS
    + "groups: {lab: {guaranteed: {H100: CARDS}}, club: {}}\n"
)


@pytest.mark.parametrize(
    ("pause_only", "rank"), [(False, Rank.ENTITLED), (True, Rank.BORROWED)]
)  # fmt: skip
def test_a_restart_in_the_grace_is_told_as_what_the_cards_can_keep(
    rank: Rank, *, pause_only: bool
) -> None:
    hub = SmallHub.under(SHRUNK.replace("CARDS", "1"), gpu())
    assert isinstance(hub.ask("lea", "lab", size="half"), Placement)
    hub.holdings = hub.holdings.under(document(SHRUNK.replace("CARDS", "0")), NOON)
    hub.holdings.put_gpu(gpu(pause_only=pause_only))
    before = hub.holdings.remove(SliceId("lea"))
    again = hub.ask("lea", "lab", size="half", before=before)
    assert isinstance(again, Placement)
    assert again.why.rule is Rule.AS_BEFORE
    assert again.rank is hub.rank("lea") is rank


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["lab", "lab", "club"]), min_size=1, max_size=5),
    st.sampled_from(["0", "1/2", "1", "2"]),
    st.lists(st.integers(0, 2), max_size=3),
    st.integers(0, 4),
)
def test_whoever_restarts_in_a_grace_is_told_the_rank_that_it_has_then(
    groups: list[str], less: str, fails: list[int], which: int
) -> None:
    hub = SmallHub.under(SHRUNK.replace("CARDS", "3"), *(gpu(f"c{n}", index=n) for n in range(3)))
    for number, group in enumerate(groups):
        hub.ask(f"u{number}", group, size="half")
    hub.holdings = hub.holdings.under(document(SHRUNK.replace("CARDS", less)), NOON)
    for number in fails:
        hub.holdings.put_gpu(gpu(f"c{number}", index=number, pause_only=True))
    owner = f"u{which % len(groups)}"
    if (before := hub.holdings.slice(SliceId(owner))) is None or before.before is None:
        return
    hub.holdings.remove(SliceId(owner))
    again = hub.ask(owner, before.group, size="half", before=before)
    if isinstance(again, Placement) and again.why.rule is Rule.AS_BEFORE:
        assert again.rank is hub.rank(owner)


_OF_PERSON = ("slices: unlimited}, own", "slices: unlimited, cards: 1/2}, own")
_OF_GROUP = ("{H100: CARDS}", "{H100: CARDS}, limit: {H100: 1/2}")


@pytest.mark.parametrize(
    ("limit", "reason"),
    [(_OF_PERSON, RefusalReason.USER_LIMIT), (_OF_GROUP, RefusalReason.GROUP_LIMIT)],
    ids=["a person's", "a group's"],
)
def test_who_has_another_slice_since_a_server_was_stopped_has_not_both(
    limit: tuple[str, str], reason: RefusalReason
) -> None:
    """Else every grace would be as much again as limits let somebody have, for its time."""
    text = SHRUNK.replace(*limit)
    hub = SmallHub.under(text.replace("CARDS", "1/2"), gpu(), gpu("other", index=1))
    assert isinstance(hub.ask("lea", "lab", size="half"), Placement)
    hub.holdings = hub.holdings.under(document(text.replace("CARDS", "1/4")), NOON)
    before = hub.holdings.remove(SliceId("lea"))
    assert before is not None
    restart = {"size": "half", "before": before, "stopped_at": before.since}
    assert isinstance(hub.ask("lea", "lab", name="instead", size="half"), Placement)
    both = hub.ask("lea", "lab", **restart)
    assert isinstance(both, Refusal)
    assert both.reason is reason
    hub.holdings.remove(SliceId("instead"))
    again = hub.ask("lea", "lab", **restart)
    assert isinstance(again, Placement)
    assert again.why.rule is Rule.AS_BEFORE


TOGETHER = (
    "gpu_types: {H100: {match: '*H100*'}}\n" + PARTS + "groups: {lab: {limit: {cards: CARDS}}}"
)
NAMES = tuple(f"m{number}" for number in range(6))


STOP, COME = [(True, name) for name in NAMES[:4]], [(False, name) for name in NAMES]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES)), max_size=24))
@example([*STOP, *reversed(COME)])
@example([*STOP, *COME])
@example([*STOP[:3], *COME[4:], *COME])
def test_members_who_take_turns_at_stopping_servers_never_hold_more_together_than_before(
    steps: list[tuple[bool, str]],
) -> None:
    """Four quarters were held, and two may be; whoever is stopped comes again when they like."""
    gpus = [gpu(f"g{number}", index=number) for number in range(3)]
    hub = SmallHub.under(TOGETHER.replace("CARDS", "1"), *gpus)
    for name in NAMES[:4]:
        assert isinstance(hub.ask(name, "lab", size="quarter"), Placement)
    hub.holdings = hub.holdings.under(document(TOGETHER.replace("CARDS", "1/2")), NOON)
    stopped: dict[str, tuple[Holding, datetime]] = {}
    for stops, name in steps:
        there = hub.holdings.slice(SliceId(name))
        hub.minute += 1
        if stops and there is not None:
            hub.holdings.remove(there.slice_id)
            stopped[name] = there, NOON + timedelta(minutes=hub.minute)
        elif not stops and there is None:
            before, at = stopped.get(name, (None, None))
            others_came = any(one.before is None for one in hub.holdings.slices())
            answer = hub.ask(name, "lab", size="quarter", before=before, stopped_at=at)
            if before is not None and before.before is not None and not others_came:
                assert isinstance(answer, Placement), "it restarts, and nobody was let in since"
        assert hub.holdings.held(NodeName("lab")).slices <= 4
        if any(one.before is None for one in hub.holdings.slices()):
            assert hub.holdings.held(NodeName("lab")).slices <= 2


OF_PERSONS = {
    "everyone": "everyone: {limit: {slices: unlimited, cards: LIMIT}, own_amounts: true}",
    "each of a group": "groups: {lab: {each: {limit: {cards: LIMIT}}}, club: {}}",
    "each of a group above": "groups: {top: {each: {limit: {cards: LIMIT}}, groups: {lab: {}}}}",
    "an exception": "exceptions: [{who: [lea], set: {limit: {cards: LIMIT}}, why: w}]",
}


@pytest.mark.parametrize("who", OF_PERSONS)
def test_a_persons_limit_lowered_below_what_they_hold_refuses_no_restart(who: str) -> None:
    sizes = PARTS[: PARTS.index("everyone")]
    text = "gpu_types: {H100: {match: '*H100*'}}\n" + sizes + OF_PERSONS[who]
    text += "" if "groups" in text else "\ngroups: {lab: {}}"
    hub = SmallHub.under(text.replace("LIMIT", "2"), gpu())
    for name in ("s0", "s1"):
        assert isinstance(hub.ask("lea", "lab", name=name, size="half"), Placement)
    assert isinstance(hub.ask("lou", "lab", size="quarter"), Placement)
    hub.holdings = hub.holdings.under(document(text.replace("LIMIT", "0.75")), NOON)
    assert hub.holdings.slice(SliceId("lou")).before is None, "it is within the new limit"
    before = hub.holdings.remove(SliceId("s1"))
    again = hub.ask("lea", "lab", name="s1", size="half", before=before)
    assert isinstance(again, Placement), again
    assert again.why.rule is Rule.AS_BEFORE
    assert isinstance(hub.ask("lea", "lab", name="new", size="half"), Refusal)
    hub.holdings.end_graces(NOON + timedelta(days=2))
    before = hub.holdings.remove(SliceId("s1"))
    assert isinstance(hub.ask("lea", "lab", name="s1", size="half", before=before), Refusal)
