"""Where a slice goes, who pays and who makes way for it: the whole decision about one wish.

The order: a restart while a grace lasts goes back to where it was. What is within a guarantee has
its place on a card that is laid out for it, whatever others hold there; where it would take turns
with its own group's, idle ones of these move to another of the group's cards. What is borrowed goes
where room is free; else room is taken for who stays within their share; else borrowed slices move
to other cards of their node, where the room is there but in pieces. Whoever a group's limit
refuses, or want of room, may be let in by charging a slice of another member, who named no group,
to another of theirs (``recharging``). Else it is refused, with what would help.

Who borrowed and cannot make way any more, on a card that is laid out for others, borrows no more
until they can.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.jobs_held_back import jobs_to_hold_back
from sublet_quota.admission.met_limits import Asked
from sublet_quota.admission.slice_admission import Admission, Option, furthest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, NodeAmount
from sublet_quota.holdings.gpu_load import AsBefore, Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, PoolName, SizeName, SliceId, UserName
from sublet_quota.placement.finding.as_before import (
    AsBeforePlace,
    find_as_before,
    options_as_before,
)
from sublet_quota.placement.finding.deriving import derived
from sublet_quota.placement.finding.free_room import find_free
from sublet_quota.placement.finding.laid_out import find_laid_out
from sublet_quota.placement.finding.moving import Moves, find_by_moving
from sublet_quota.placement.finding.moving_own import find_without_turns
from sublet_quota.placement.finding.question import Question, Waiting
from sublet_quota.placement.finding.recharging import Recharge, recharges
from sublet_quota.placement.finding.taking import find_taken
from sublet_quota.placement.refusing.advice import helps_for
from sublet_quota.placement.refusing.no_room import (
    borrows_no_more,
    denied_a_loan,
    denied_host_memory,
    denied_node,
    denied_room,
    is_short_of_host_memory,
)
from sublet_quota.reasons.derivation import Derivation, Rule
from sublet_quota.reasons.helping import Help, for_who_is_in_line
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Rank

NOBODY_WAITS: Final[Waiting] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Placement:
    """A slice has its place: what it is, where, who pays, and what follows for others.

    The hub keeps all of it with the slice (``Holding``), and does what it says of others before
    the slice is handed out.
    """

    owner: UserName
    gpu_id: GpuId
    gpu_type: str
    pool: PoolName
    """The pool that was asked for; the GPU is in another where that lends, or where its type is
    guaranteed.
    """
    size: SizeName | None
    amount: GpuAmount
    group: GroupName | None
    """Who pays; ``None``: no group."""
    named: bool
    """Whether the owner named the group, so that the slice is never charged to another."""
    member_of: tuple[GroupName, ...]
    """The groups of the document of which the owner is a member: those that could pay instead."""
    rank: Rank
    """How the slice stands as it is handed out."""
    why: Derivation
    calls_back: tuple[SliceId, ...] = ()
    """Borrowed slices that lose their place on the GPU: to be kept as ``called_back``."""
    moves: Moves = ()
    """The slices that find as much room on another card of their node, with that card: some of
    ``calls_back``, and entitled ones whose owners are idle, which lose no place.
    """
    recharged: tuple[tuple[SliceId, GroupName], ...] = ()
    """Slices of others that another of their groups pays for from now on, to let this one in."""
    holds_back: tuple[SliceId, ...] = ()
    """Slices of jobs that it takes the place of below a limit: to be kept as ``held_back``."""
    before: AsBefore | None = None
    """What the slice counts as while a grace lasts: to be kept as ``Holding.before``."""
    takes: NodeAmount = NOTHING_OF_NODE
    """What its server takes of the node: to be kept as ``Holding.takes``."""


def decide_slice(
    holdings: Holdings, wish: RequestedSlice, waiting: Waiting = NOBODY_WAITS
) -> Placement | Refusal:
    """Return the place of a slice, or why it has none and what would help.

    ``waiting`` are the cards that others wait for: they are asked for when shares are divided.
    """
    return told(Question(holdings, wish, waiting=waiting))


def told(question: Question) -> Placement | Refusal:
    """Return the answer to a question, a refusal with what would help."""
    answer = decided(question)
    return answer if isinstance(answer, Placement) else tell(question, answer)


def tell(question: Question, denial: Denial) -> Refusal:
    """Return a refusal with what would help."""
    return denial.told(_helps(question, denial))


def tell_in_line(question: Question, denial: Denial) -> Refusal:
    """Return why somebody waits in line, with what would help."""
    return denial.told(for_who_is_in_line(_helps(question, denial)))


def _helps(question: Question, denial: Denial) -> tuple[Help, ...]:
    return helps_for(question, denial, _is_granted) if denial.tells_help else ()


def decided(question: Question) -> Placement | Denial:
    """Return the answer to a question, without what would help."""
    placed = _placed(question)
    if placed is not None:
        return placed
    admission = question.admission
    if admission.options:
        return _denied(question, admission)
    return furthest(admission.denials)


def _is_granted(question: Question) -> bool:
    return _placed(question) is not None


def _placed(question: Question) -> Placement | None:
    """Return the place of a wish, if it has one; each is looked for once."""
    known, asked = question.seen.answers, (question.wish, question.only)
    if asked not in known:
        found = _as_before(question) or _granted(question)
        known[asked] = None if found is None else _with_jobs_held_back(question, found)
    placed: Placement | None = known[asked]
    return placed


def _with_jobs_held_back(question: Question, placement: Placement) -> Placement:
    """Return a placement with what it takes of its node, and the jobs whose place it takes."""
    holdings, admission = question.holdings, question.admission
    takes = question.wish.takes.with_cap(placement.amount.memory_mib)
    placement = replace(placement, takes=takes)
    facts = holdings.gpu(placement.gpu_id)
    if facts is None:
        return placement
    cards = cards_on(placement.amount, facts.kind)
    asked = Asked(facts.kind, placement.gpu_type, placement.amount, cards).counted
    recharged = tuple(
        (holding, group)
        for slice_id, group in placement.recharged
        if (holding := holdings.slice(slice_id)) is not None
    )
    held = jobs_to_hold_back(holdings, admission.rights, placement.group, asked, recharged)
    return replace(placement, holds_back=held)


def _granted(question: Question) -> Placement | None:
    """Return the place of a wish that is no restart, if it has one."""
    admission = question.admission
    if admission.options:
        placed = _place(question, admission)
        if placed is not None:
            return placed
    for recharge in recharges(question, admission):
        placed = _place_recharged(question, admission, recharge)
        if placed is not None:
            return placed
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """What placement found."""

    option: Option
    gpu_id: GpuId
    rule: Rule
    calls_back: tuple[SliceId, ...] = ()
    moves: Moves = ()


def _place(question: Question, admission: Admission) -> Placement | None:
    place = _find(question, admission.rights.owner, admission.options)
    return None if place is None else _placement(question, admission, place)


def _find(question: Question, owner: UserName, options: tuple[Option, ...]) -> _Place | None:
    laid_out = find_laid_out(question, options)
    if laid_out is not None:
        way, option = laid_out.way, laid_out.option
        own = find_without_turns(question, option) if laid_out.in_turns else None
        if own is not None:
            return _Place(option, own.way.gpu_id, Rule.GUARANTEE, own.way.slices, own.moves)
        return _Place(option, way.gpu_id, Rule.GUARANTEE, way.slices)
    if any(option.rank is Rank.BORROWED for option in options):
        options = _without_loans(question, owner, options)
    free = find_free(question, options)
    if free is not None:
        return _Place(free.option, free.gpu_id, Rule.FREE_ROOM)
    taken = find_taken(question, options)
    if taken is not None:
        rule = Rule.GUARANTEE if taken.option.rank is Rank.ENTITLED else Rule.SHARE
        return _Place(taken.option, taken.way.gpu_id, rule, taken.way.slices)
    moved = find_by_moving(question, options)
    if moved is not None:
        away = moved.calls_back
        return _Place(moved.option, moved.gpu_id, Rule.FREE_ROOM, away, moved.moves)
    return None


def _without_loans(
    question: Question, owner: UserName, options: tuple[Option, ...]
) -> tuple[Option, ...]:
    """Return the options, without what would be borrowed where the owner borrows no more."""
    if not borrows_no_more(question.holdings, owner):
        return options
    return tuple(option for option in options if option.rank is not Rank.BORROWED)


def _place_recharged(
    question: Question, admission: Admission, recharge: Recharge
) -> Placement | None:
    """Return the place that is found once somebody else's slice is charged to another group."""
    asked = replace(question, recharge=recharge.of)
    place = _find(asked, admission.rights.owner, (recharge.option,))
    if place is None:
        return None
    holding, group = recharge.of
    placement = _placement(question, admission, place)
    return replace(placement, recharged=((holding.slice_id, group),))


def _placement(question: Question, admission: Admission, place: _Place) -> Placement:
    option, rights = place.option, admission.rights
    return Placement(
        owner=rights.owner,
        gpu_id=place.gpu_id,
        gpu_type=option.asked.gpu_type,
        pool=option.wanted.pool,
        size=option.wanted.name,
        amount=option.asked.amount,
        group=option.group,
        named=question.wish.group is not None,
        member_of=rights.groups,
        rank=question.rank_on(option.rank, place.gpu_id, option.node, option.asked.amount),
        why=derived(question.holdings, option, place.rule),
        calls_back=place.calls_back,
        moves=place.moves,
    )


def _as_before(question: Question) -> Placement | None:
    """Return the place of a server that restarts as before; ``None``: it is a request as any."""
    place = find_as_before(question)
    if place is not None:
        return _restarted(place)
    holding, options = question.wish.before, tuple(options_as_before(question))
    if holding is None or not options:
        return None
    found = _find(question, UserName(holding.owner), options)
    if found is not None:
        return _restarted_elsewhere(question, holding, found)
    place = find_as_before(question, others_make_way=True)
    return None if place is None else _restarted(place)


def _restarted_elsewhere(question: Question, holding: Holding, place: _Place) -> Placement:
    option = place.option
    return Placement(
        owner=holding.owner,
        gpu_id=place.gpu_id,
        gpu_type=option.asked.gpu_type,
        pool=holding.pool,
        size=option.wanted.name,
        amount=option.asked.amount,
        group=holding.group,
        named=holding.named,
        member_of=holding.member_of,
        rank=question.rank_on(option.rank, place.gpu_id, option.node, option.asked.amount),
        why=Derivation(Rule.AS_BEFORE, holding.group),
        calls_back=place.calls_back,
        moves=place.moves,
        before=holding.before,
    )


def _restarted(place: AsBeforePlace) -> Placement:
    holding = place.holding
    return Placement(
        owner=holding.owner,
        gpu_id=holding.gpu_id,
        gpu_type=place.gpu_type,
        pool=holding.pool,
        size=place.size,
        amount=place.amount,
        group=holding.group,
        named=holding.named,
        member_of=holding.member_of,
        rank=place.rank,
        why=Derivation(Rule.AS_BEFORE, holding.group),
        calls_back=place.calls_back,
        before=holding.before,
    )


def _denied(question: Question, admission: Admission) -> Denial:
    owner, options = admission.rights.owner, admission.options
    borrowed = all(option.rank is Rank.BORROWED for option in options)
    if borrowed and borrows_no_more(question.holdings, owner):
        return denied_a_loan(owner)
    if any(question.nodes_without_enough(option.asked.amount) for option in options):
        place = _find(replace(question, any_node=True), owner, options)
        if place is not None:
            return denied_node(question, place.option, place.gpu_id)
    anywhere = replace(question, any_host=True)
    if is_short_of_host_memory(question, options):
        place = _find(anywhere, owner, options)
        if place is not None:
            return denied_host_memory(question, place.option, place.gpu_id)
    return denied_room(anywhere, options)
