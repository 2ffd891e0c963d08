"""What people read into the words of a quota document is what they get."""

from datetime import timedelta
from textwrap import dedent

import pytest
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import H100, L4, NOON, document, gib, gpu, notebook

TYPES = dedent(
    """
    gpu_types:
      H100: {match: "*H100*"}
      L4: {match: "*L4*"}
    """
)
LAB = TYPES + PARTS + "groups: {lab: {guaranteed: {H100: 1}}}\n"


def of_others(*amounts: str) -> list[Holding]:
    """Slices of people in no group: ``a:60`` GiB on card a, ``a:1/1000`` with its compute."""
    made = []
    for number, text in enumerate(amounts):
        card, _, amount = text.partition(":")
        memory, _, milli = amount.partition("/")
        held = gib(float(memory), int(milli or 1))
        made.append(notebook(f"other{number}", f"u{number}", held, card, since=number))
    return made


BLOCKED_ONCE = {
    "others hold four slices of 60 GiB on two cards": (
        [gpu("a"), gpu("b", index=1)],
        of_others("a:60", "b:60", "a:60", "b:60"),
        gib(79, 1000),
    ),
    "others hold a card's compute four times": (
        [gpu("a")],
        of_others(*["a:1/1000"] * 4),
        gib(60, 100),
    ),
    "the card that is guaranteed is somebody else's, and another type is left": (
        [gpu("a"), gpu("b", L4, index=1)],
        of_others("a:79/1000", "a:79/1000"),
        gib(40, 500),
    ),
}


@pytest.mark.parametrize("name", BLOCKED_ONCE)
def test_what_is_guaranteed_is_given_though(name: str) -> None:
    cards, slices, amount = BLOCKED_ONCE[name]
    hub = SmallHub.under(LAB, *cards, *slices)
    answer = hub.ask("lea", "lab", memory_mib=amount.memory_mib, compute_milli=amount.compute_milli)
    assert isinstance(answer, Placement), answer
    assert answer.rank is Rank.ENTITLED
    assert answer.why.rule is Rule.GUARANTEE
    assert answer.calls_back
    assert hub.rank("lea") is Rank.ENTITLED
    assert all(hub.rank(one) is Rank.CALLED_BACK for one in answer.calls_back)


def test_of_two_groups_guaranteed_the_one_card_one_has_it_and_it_is_told() -> None:
    two = "groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}}\n"
    hub = SmallHub.under(TYPES + PARTS + two, gpu())
    answers = [hub.ask(f"{group}na", group, size="whole") for group in ("a", "b")]
    ranks = [answer.rank for answer in answers if isinstance(answer, Placement)]
    assert sorted(ranks) == [Rank.ENTITLED, Rank.BORROWED]
    assert hub.holdings.warnings()


def test_a_guarantee_of_somebody_absent_keeps_no_card_empty() -> None:
    hub = SmallHub.under(LAB, gpu())
    answer = hub.ask("una", memory_mib=1024, compute_milli=10)
    assert isinstance(answer, Placement)
    assert answer.rank is Rank.BORROWED


def test_a_guarantee_given_anew_is_in_force_though_others_run() -> None:
    hub = SmallHub.under(TYPES + PARTS, gpu())
    for number in range(2):
        assert isinstance(hub.ask(f"u{number}", size="whole"), Placement)
    hub.holdings = hub.holdings.under(document(LAB), NOON)
    answer = hub.ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement), answer
    assert answer.rank is Rank.ENTITLED
    assert answer.calls_back


COURSE = dedent(
    """
    sizes:
      - {name: half, memory: 1/2, compute: 1/2}
      - {name: staffs, memory: 1, compute: 1, for: [lab]}
    everyone: {sizes: [half]}
    groups:
      lab: {}
      course: {each: {limit: {memory: 10 GiB}}, limit: {memory: 60 GiB}}
    exceptions:
      - {who: [tom], set: {limit: {memory: unlimited}}, why: thesis}
    """
)


def test_a_further_group_takes_nothing_away() -> None:
    hub = SmallHub.under(COURSE, gpu())
    assert isinstance(hub.ask("ada", "lab", "course", size="half"), Placement)
    in_the_course = hub.ask("cem", "course", size="half")
    assert isinstance(in_the_course, Refusal)
    assert in_the_course.reason is RefusalReason.USER_LIMIT


def test_what_is_said_for_one_person_goes_before_what_is_said_for_each() -> None:
    hub = SmallHub.under(COURSE, gpu())
    assert isinstance(hub.ask("tom", "course", size="half"), Placement)


def test_a_size_for_a_group_is_open_to_it_though_everyone_has_others() -> None:
    hub = SmallHub.under(COURSE, gpu())
    assert isinstance(hub.ask("ada", "lab", size="staffs"), Placement)
    assert isinstance(hub.ask("cem", "course", size="staffs"), Refusal)


TWO_FULL_GROUPS = dedent(
    """
    sizes: [{name: tenth, memory: 1/10, compute: 1/10}]
    groups:
      lab: {limit: {slices: 1}}
      course: {limit: {slices: 1}}
    """
)
BOTH = ("ada", "lab", "course")
ONE = ("cem", "lab")
OTHER = ("dov", "course")


@pytest.mark.parametrize("second", [ONE, OTHER], ids=str)
@pytest.mark.parametrize("first_has_both", [True, False])
def test_a_member_of_two_groups_stands_in_nobodys_way(
    second: tuple[str, ...], *, first_has_both: bool
) -> None:
    asks = (BOTH, second) if first_has_both else (second, BOTH)
    hub = SmallHub.under(TWO_FULL_GROUPS, gpu())
    answers = [hub.ask(*one) for one in asks]
    assert all(isinstance(answer, Placement) for answer in answers), answers
    by_owner = {one.owner: one.group for one in hub.holdings.slices()}
    assert by_owner[second[0]] == second[1]  # type: ignore[index]
    assert set(by_owner.values()) == {"lab", "course"}


def test_who_named_a_group_stays_with_it() -> None:
    for named, other in (("lab", ONE), ("course", OTHER)):
        hub = SmallHub.under(TWO_FULL_GROUPS, gpu())
        assert isinstance(hub.ask(*BOTH, group=named), Placement)
        refused = hub.ask(*other)
        assert isinstance(refused, Refusal)
        assert refused.reason is RefusalReason.GROUP_LIMIT


PIECES = TYPES + PARTS + "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]"


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_a_whole_card_is_had_where_one_is_free_in_sum(names: str) -> None:
    cards = [gpu(name, index=number) for number, name in enumerate(names)]
    whole = H100.usable_mib
    slices = [
        notebook("x", "u1", gib(30, 300), "a"),
        notebook("y", "u2", gib(40, 400), "b"),
    ]
    assert sum(one.amount.memory_mib for one in slices) <= whole
    hub = SmallHub.under(PIECES, *cards, *sorted(slices, key=lambda each: names.index(each.gpu_id)))
    answer = hub.ask("ada", size="whole")
    assert isinstance(answer, Placement), answer
    assert answer.gpu_id == "a", "the fewest bytes move"
    assert answer.moves == ((SliceId("x"), "b"),)


def test_nothing_moves_to_another_node() -> None:
    cards = [gpu(name, index=number) for number, name in enumerate("abc")]
    slices = [
        notebook("x", "u1", gib(30, 300), "a"),
        notebook("y", "u2", gib(60, 300), "b"),
        notebook("z", "u3", gib(60, 300), "c"),
        notebook("far", "u4", gib(40, 300), "d"),
    ]
    hub = SmallHub.under(PIECES, *cards, gpu("d", node="node-b"), *slices)
    assert isinstance(hub.ask("ada", size="whole"), Refusal), "the room is there on no one node"
    hub.holdings.put_gpu(gpu("d", index=3))
    assert isinstance(hub.ask("ada", size="whole"), Placement)


def test_what_moves_goes_where_nothing_is_laid_out_for_others_if_it_can() -> None:
    cards = [gpu("a"), gpu("b", index=1), gpu("c", index=2)]
    slices = [
        notebook("x", "u1", gib(30, 300), "a"),
        notebook("lab", "u2", gib(45, 400), "b", group="lab"),
        notebook("y", "u3", gib(40, 400), "c"),
    ]
    text = PIECES + "\ngroups: {lab: {guaranteed: {H100: 1}}}\n"
    hub = SmallHub.under(text, *cards, *slices)
    assert not hub.holdings.layout("H100").is_free(GpuId("b"))
    answer = hub.ask("ada", size="whole")
    assert isinstance(answer, Placement), answer
    assert answer.moves == ((SliceId("x"), "c"),), "b is a tighter fit"
    assert answer.calls_back == (SliceId("x"),)


def test_whole_cards_are_refused_only_where_no_card_can_make_room() -> None:
    cards = [gpu(name, node=f"n{name}") for name in "abcd"]
    small = [
        notebook(f"s{number}", f"u{number}", gib(19, 250), "abcd"[number % 4], since=number)
        for number in range(16)
    ]
    hub = SmallHub.under(
        PIECES + "\ngroups: {lab: {guaranteed: {H100: 2}}, other: {}}", *cards, *small
    )
    granted = [hub.ask(f"lea{n}", "lab", name=f"w{n}", size="whole") for n in range(2)]
    assert all(isinstance(answer, Placement) for answer in granted), granted
    assert hub.rank("w0") is hub.rank("w1") is Rank.ENTITLED
    assert isinstance(hub.ask("una", "other", size="whole"), Placement), "its share is one of four"


LOWERED = PARTS + "groups: {lab: {limit: {cards: LIMIT}}}\n"


def test_a_limit_lowered_below_what_runs_refuses_no_restart() -> None:
    hub = SmallHub.under(LOWERED.replace("LIMIT", "1"), gpu())
    assert isinstance(hub.ask("lea", "lab", size="half"), Placement)
    assert isinstance(hub.ask("lou", "lab", size="half"), Placement)
    lower: QuotaDocument = document(LOWERED.replace("LIMIT", "0.25"))
    hub.holdings = hub.holdings.under(lower, NOON)
    before = hub.holdings.remove(SliceId("lea"))
    assert before is not None
    again = hub.ask("lea", "lab", size="half", before=before)
    assert isinstance(again, Placement), again
    assert again.why.rule is Rule.AS_BEFORE
    assert again.before == before.before
    new = hub.ask("leo", "lab", size="quarter")
    assert isinstance(new, Refusal)
    assert new.reason is RefusalReason.GROUP_LIMIT


def test_who_restarts_as_before_has_what_their_group_is_guaranteed_by_now() -> None:
    text = LOWERED.replace("{lab: {", "{lab: {guaranteed: {H100: 0.5}, ")
    hub = SmallHub.under(TYPES + text.replace("LIMIT", "1"), gpu())
    for owner, rank in (("lea", Rank.ENTITLED), ("lou", Rank.BORROWED)):
        answer = hub.ask(owner, "lab", size="half")
        assert isinstance(answer, Placement)
        assert answer.rank is rank
    lower = document(TYPES + text.replace("LIMIT", "0.75"))
    hub.holdings = hub.holdings.under(lower, NOON)
    hub.end("lea")
    before = hub.holdings.remove(SliceId("lou"))
    again = hub.ask("lou", "lab", size="half", before=before)
    assert isinstance(again, Placement)
    assert again.rank is hub.rank("lou") is Rank.ENTITLED


def test_after_the_grace_a_restart_is_a_request_as_any() -> None:
    hub = SmallHub.under(LOWERED.replace("LIMIT", "1"), gpu())
    assert isinstance(hub.ask("lea", "lab", size="half"), Placement)
    hub.holdings = hub.holdings.under(document(LOWERED.replace("LIMIT", "0.25")), NOON)
    assert hub.holdings.end_graces(NOON + timedelta(days=2)) == ("lea",)
    before = hub.holdings.remove(SliceId("lea"))
    refused = hub.ask("lea", "lab", size="half", before=before)
    assert isinstance(refused, Refusal)
    assert "groups.lab.limit.cards" in refused.message


ALONE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"


def stopped_in_grace(hub: SmallHub, text: str, owner: str) -> Holding:
    """Lower what the document says, and stop somebody's server meanwhile."""
    hub.holdings = hub.holdings.under(document(text), NOON)
    before = hub.holdings.remove(SliceId(owner))
    assert before is not None
    assert before.before is not None
    return before


def test_a_server_stopped_and_started_within_the_grace_is_as_before() -> None:
    hub = SmallHub.under(LOWERED.replace("LIMIT", "1"), gpu())
    assert isinstance(hub.ask("lea", "lab", size="half"), Placement)
    before = stopped_in_grace(hub, LOWERED.replace("LIMIT", "0.25"), "lea")
    again = hub.ask("lea", "lab", size="half", before=before, stopped_at=NOON)
    assert isinstance(again, Placement), again
    assert (again.why.rule, again.before) == (Rule.AS_BEFORE, before.before)
    larger = hub.ask("lea", "lab", size="whole", before=before, stopped_at=NOON)
    assert isinstance(larger, Refusal)


def test_one_whose_card_others_took_meanwhile_is_as_before_on_another() -> None:
    text = ALONE + LOWERED
    hub = SmallHub.under(text.replace("LIMIT", "1"), gpu("a"), gpu("b", index=1))
    first = hub.ask("lea", "lab", size="half")
    assert isinstance(first, Placement)
    before = stopped_in_grace(hub, text.replace("LIMIT", "0.25"), "lea")
    hub.holdings.put(notebook("other", "ona", gib(79, 1000), str(first.gpu_id)))
    again = hub.ask("lea", "lab", size="half", before=before, stopped_at=NOON)
    assert isinstance(again, Placement), again
    assert (again.why.rule, again.before) == (Rule.AS_BEFORE, before.before)
    assert again.gpu_id != first.gpu_id


def test_one_that_was_entitled_has_others_make_way_again() -> None:
    text = ALONE + TYPES + PARTS + "groups: {lab: {guaranteed: {H100: LEAST}}, other: {}}\n"
    hub = SmallHub.under(text.replace("LEAST", "1"), gpu())
    assert isinstance(hub.ask("lea", "lab", size="whole"), Placement)
    before = stopped_in_grace(hub, text.replace("LEAST", "0"), "lea")
    assert isinstance(hub.ask("una", "other", size="whole"), Placement)
    again = hub.ask("lea", "lab", size="whole", before=before, stopped_at=NOON)
    assert isinstance(again, Placement), again
    assert (again.rank, again.calls_back) == (Rank.ENTITLED, (SliceId("una"),))
    assert again.before == before.before
