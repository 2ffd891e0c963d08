"""What somebody may have: for each of their groups that could pay, on which kinds of GPU.

What is checked, in this order: who could pay, their budgets, the size or the amounts under the
payer's rights, the GPUs that are there, their types, the largest slice that one takes, the payer's
limits and those of all above it, and the person's limits over all they hold. Whether a GPU has room
is placement's question.

The options come in the order in which they are tried: those that the payer is entitled to first;
of others a payer whose budget is not over, and of these the one with most room below its limits;
then the smaller amount, then the cheaper type. Exact ties go by the request's lot.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.ended_budgets import denied_by_budget
from sublet_quota.admission.met_limits import (
    Asked,
    Without,
    beyond,
    denied_by,
    group_bounds,
    person_bounds,
)
from sublet_quota.admission.slice_request import (
    RequestedSlice,
    Wanted,
    amount_of,
    choose_payers,
    read_wish,
)
from sublet_quota.admission.told_lines import told_line
from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind, matches
from sublet_quota.document.right_values import PayerRights, Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.card_policy import counted_type, type_turn
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName, UserName
from sublet_quota.names.nearest_name import nearest_name
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusals.facts import Fact
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.refusals.sizes import SizeRefusal
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import cards_of
from sublet_quota.shares.group_tree import SPENT, NodeName
from sublet_quota.shares.limits import Bound

_FURTHEST: Final = (Rule.RIGHT, Rule.BUDGET, Rule.CARDS, Rule.LIMIT, Rule.ROOM)
"""The order of the checks: where payers and kinds of GPU answer differently, what came furthest is
told.
"""

Person = tuple[str, tuple[str, ...]]
"""Who asks, and their groups: what rights follow from."""


@dataclass(frozen=True, slots=True)
class Option:
    """A slice as it would be on GPUs of one kind, charged to one payer."""

    payer: PayerRights
    wanted: Wanted
    asked: Asked
    node: NodeName
    """Where it would count: the leaf of the payer."""
    steps: int
    """To how many steps of the payer's path it would be entitled."""
    depth: int
    """How many steps that path has."""
    least: Bound | None
    """Of the limits of the payer and of all above it the one with the least room, by what is asked;
    ``None``: no limit.
    """

    @property
    def group(self) -> GroupName | None:
        """Who would pay."""
        return self.payer.group

    @property
    def rank(self) -> Rank:
        """How the slice would stand."""
        return rank_of(self.steps, self.depth)


def rank_of(steps: int, depth: int) -> Rank:
    """Return the rank of what is entitled to so many steps of a path."""
    if not steps:
        return Rank.BORROWED
    return Rank.ENTITLED if steps == depth else Rank.ENTITLED_IN_PART


@dataclass(frozen=True, slots=True)
class Admission:
    """What the rights and limits say to a wish."""

    rights: Rights
    options: tuple[Option, ...]
    """What is within rights and limits, in the order in which it is tried."""
    within_rights: tuple[Option, ...]
    """The same with what limits refuse."""
    beyond_groups: tuple[Option, ...]
    """What only limits of groups refuse: recharging may let it in."""
    denials: tuple[Denial, ...]
    """Why not, of what was refused."""


def admit(
    holdings: Holdings, wish: RequestedSlice, known: MutableMapping[Person, Rights] | None = None
) -> Admission:
    """Return what the quotas allow of what is wished for, and why not the rest.

    ``known``: the rights that were looked up under this document already; it becomes more.
    """
    known, person = {} if known is None else known, (wish.owner, wish.groups)
    if person not in known:
        known[person] = rights_of(holdings.document, *person)
    rights = known[person]
    payers = choose_payers(rights, wish.group)
    if isinstance(payers, Denial):
        return Admission(rights, (), (), (), (payers,))
    options: list[Option] = []
    beyond_groups: list[Option] = []
    denials: list[Denial] = []
    within_rights = tuple(_options(holdings, rights, payers, wish, denials))
    for option in within_rights:
        of_person = beyond(person_bounds(Without(holdings), rights, option.asked))
        met = (option.least, of_person)
        failed = [bound for bound in met if bound is not None and not bound.allows]
        if failed:
            least = min(failed, key=lambda bound: bound.room / bound.asked)
            denials.append(denied_by(holdings, rights, least, option.asked))
            if of_person is None:
                beyond_groups.append(option)
        else:
            options.append(option)
    return Admission(
        rights,
        tried_in_order(holdings, options, wish.lot),
        within_rights,
        tried_in_order(holdings, beyond_groups, wish.lot),
        tuple(denials),
    )


def furthest(denials: tuple[Denial, ...]) -> Denial:
    """Return the refusal that is told: of what came furthest, the one that leaves most."""

    def turn(denial: Denial) -> tuple[int, int, int]:
        less = denial.less or NOTHING
        return _FURTHEST.index(denial.rule), less.memory_mib, less.compute_milli

    return max(denials, key=turn)


_Turn = tuple[Rank, bool, bool, Fraction, int, Fraction, int, int, int, int]


def tried_in_order(holdings: Holdings, options: Sequence[Option], lot: int) -> tuple[Option, ...]:
    """Return the options in the order in which they are tried.

    Groups that are alike come in the order of the installation's lots, from one on by ``lot``.
    """
    document = holdings.document
    groups = sorted({option.group or "" for option in options}, key=holdings.lot)

    def turn(option: Option) -> _Turn:
        least, kind = option.least, option.asked.kind
        drawn = (groups.index(option.group or "") + lot) % len(groups)
        return (
            option.rank,
            option.node == SPENT,
            least is not None,
            Fraction(0) if least is None else -least.room / least.asked,
            option.asked.amount.memory_mib,
            *type_turn(document, option.asked.gpu_type, holdings.lot),
            holdings.lot(kind.type),
            kind.usable_mib,
            drawn,
        )

    return tuple(sorted(options, key=turn))


def _options(
    holdings: Holdings,
    rights: Rights,
    payers: tuple[PayerRights, ...],
    wish: RequestedSlice,
    denials: list[Denial],
) -> Iterator[Option]:
    """Yield what rights and GPUs allow; what they do not goes to ``denials``."""
    for payer in payers:
        ended = denied_by_budget(holdings, payer.group, UserName(wish.owner))
        if ended is not None:
            denials.append(ended)
            continue
        wanted = read_wish(holdings.document, rights, payer, wish)
        if isinstance(wanted, Denial):
            denials.append(wanted)
            continue
        kinds = _kinds_there(holdings, payer, wanted, wish)
        if isinstance(kinds, Denial):
            denials.append(kinds)
            continue
        for kind, gpu_type in kinds:
            if wanted.may_be_had_on(kind, gpu_type):
                node = holdings.leaf_for(payer.group, UserName(wish.owner))
                yield _option(holdings, payer, wanted, node, (kind, gpu_type))
            else:
                denials.append(_above_all_sizes(payer, wanted, kind))


def _option(
    holdings: Holdings,
    payer: PayerRights,
    wanted: Wanted,
    node: NodeName,
    there: tuple[GpuKind, str],
) -> Option:
    """Return what a wish is on a kind of GPU that is large enough for it."""
    kind, gpu_type = there
    amount = wanted.on(kind)
    cards = cards_of(amount, kind)
    steps = holdings.steps_at(gpu_type, node, cards)
    asked = Asked(kind, gpu_type, amount, cards, steps)
    met = group_bounds(Without(holdings), payer.group, asked)
    return Option(
        payer,
        wanted,
        asked,
        node,
        steps,
        len(holdings.tree(gpu_type).paths[node]),
        met[0] if met else None,
    )


_There = dict[tuple[GpuKind, str], bool]
"""Kinds of GPU with their type; whether one of them is open."""


def _kinds_there(
    holdings: Holdings, payer: PayerRights, wanted: Wanted, wish: RequestedSlice
) -> tuple[tuple[GpuKind, str], ...] | Denial:
    """Return the kinds with an open GPU that takes so large a slice of this payer's."""
    pool, size = wanted.pool, wanted.size
    there = _in_reach(holdings, payer, pool)
    if not there:
        return _no_gpu(RoomRefusal.NO_GPU, pool)
    types = tuple(sorted({gpu_type for _, gpu_type in there}))
    wished = {each: is_open for each, is_open in there.items() if wish.may_be_on(*each)}
    if not wished:
        asked = wish.gpu_type or ""
        if not _is_known(holdings, asked):
            near = nearest_name(asked, types)
            told: dict[str, Fact] = {"asked_type": asked, "nearest": near, "types": types}
            return Denial(RoomRefusal.UNKNOWN_TYPE, Rule.CARDS, facts=told)
        return _no_gpu(RoomRefusal.NO_GPU_OF_TYPE, pool, asked_type=asked, types=types)
    sized = {each: is_open for each, is_open in wished.items() if wanted.may_lie_on(each[1])}
    if not sized:
        return _no_gpu(
            RoomRefusal.NO_GPU_FOR_SIZE,
            pool,
            size=wanted.name or "",
            size_types=() if size is None else size.types or (),
            types=types,
        )
    allowed = {each: is_open for each, is_open in sized.items() if payer.allows_type(each[1])}
    if not allowed:
        line = told_line(payer.types.source)
        facts: dict[str, Fact] = {
            "payer": payer.group,
            "gpu_type": next(iter(sized))[1],
            "line": line,
        }
        return Denial(SizeRefusal.TYPE_NOT_OPEN, Rule.RIGHT, payer.group, (line,), facts)
    opened = [each for each, is_open in allowed.items() if is_open]
    if not opened:
        return _all_closed(holdings, pool, allowed)
    fitting = tuple(each for each in opened if _fits_on_empty(wanted.on(each[0]), each[0]))
    return fitting or _larger_than_gpu(wanted, max(opened, key=lambda each: each[0].usable_mib))


def _in_reach(holdings: Holdings, payer: PayerRights, pool: str) -> _There:
    """Return the kinds of the pool, of those that lend to it, and what is guaranteed anywhere."""
    found: _There = {}
    for name, other in holdings.document.pools.items():
        lends = name == pool or bool(other.lends.get(pool))
        for kind, index in holdings.kinds_in(PoolName(name)).items():
            gpu_type = counted_type(holdings.document, kind.type)
            if lends or _is_guaranteed(holdings, payer, gpu_type):
                found[kind, gpu_type] = found.get((kind, gpu_type), False) or bool(index.rooms)
    return found


def _is_known(holdings: Holdings, asked: str) -> bool:
    """Whether a type that is asked for is one of the document, or of any card."""
    models = {
        kind.type for name in holdings.document.pools for kind in holdings.kinds_in(PoolName(name))
    }
    known = {*holdings.document.gpu_types, *holdings.types(), *models}
    return any(name == asked or matches(name, (asked,)) for name in known)


def _is_guaranteed(holdings: Holdings, payer: PayerRights, gpu_type: str) -> bool:
    tree = holdings.tree(gpu_type)
    path = tree.paths[holdings.leaf(payer.group)]
    return any(tree.nodes[name].guaranteed for name in path)


def _fits_on_empty(amount: GpuAmount, kind: GpuKind) -> bool:
    return 1 <= amount.memory_mib <= kind.usable_mib and amount.compute_milli <= WHOLE_GPU_MILLI


def _no_gpu(code: RoomRefusal, pool: PoolName, **facts: str | tuple[str, ...]) -> Denial:
    return Denial(code, Rule.CARDS, facts={"pool": pool, **facts})


def _all_closed(holdings: Holdings, pool: PoolName, kinds: _There) -> Denial:
    wanted = {kind for kind, _ in kinds}
    closed = {
        gpu_id: reason
        for name in holdings.document.pools
        for kind, index in holdings.kinds_in(PoolName(name)).items()
        if kind in wanted
        for gpu_id, reason in index.closed.items()
    }
    facts: dict[str, Fact] = {
        "pool": pool,
        "closed_gpus": len(closed),
        "why_closed": tuple(sorted(set(closed.values()))),
    }
    return Denial(RoomRefusal.GPUS_CLOSED, Rule.CARDS, facts=facts, closed=tuple(sorted(closed)))


def _larger_than_gpu(wanted: Wanted, largest: tuple[GpuKind, str]) -> Denial:
    kind, gpu_type = largest
    whole = GpuAmount(kind.usable_mib, WHOLE_GPU_MILLI)
    asked = wanted.on(kind)
    facts: dict[str, Fact] = {
        "asked": asked,
        "pool": wanted.pool,
        "largest": whole,
        "gpu_type": gpu_type,
    }
    less = asked.lesser(whole)
    return Denial(RoomRefusal.LARGER_THAN_GPU, Rule.CARDS, facts=facts, less=less)


def _above_all_sizes(payer: PayerRights, wanted: Wanted, kind: GpuKind) -> Denial:
    line = told_line(payer.sizes.source)
    largest = max(
        (amount_of(size, kind) for size in wanted.up_to),
        key=lambda amount: (amount.memory_mib, amount.compute_milli),
        default=None,
    )
    facts: dict[str, Fact] = {
        "payer": payer.group,
        "asked": wanted.on(kind),
        "pool": wanted.pool,
        "line": line,
    }
    if largest is None:
        code = SizeRefusal.AMOUNT_WITHOUT_SIZES
        return Denial(code, Rule.RIGHT, payer.group, (line,), facts)
    facts["largest"] = largest
    return Denial(
        SizeRefusal.ABOVE_ALL_SIZES, Rule.RIGHT, payer.group, (line,), facts, less=largest
    )
