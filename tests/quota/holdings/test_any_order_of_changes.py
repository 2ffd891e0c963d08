"""Holdings under any order of changes: all equals what adding up anew says."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts, Holding, cards_on, room_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.standing.group_trees import TurnsByLot, tree_of
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.shares.division import divide
from sublet_quota.shares.entitlement import Piece, PieceId, entitle, entitled_sums, held_sums
from sublet_quota.shares.in_force import guarantees_in_force
from sublet_quota.shares.limits import Amounts
from sublet_quota.shares.lots import lot_of

from tests.support.plain_host_memory import plain_host_room
from tests.support.quota_cases import H100, L4, NOON, document, gpu, notebook

DOCUMENT = """
    gpu_types: {{H100: {{match: '*H100*'}}, L4: {{match: '*L4*'}}}}
    pools:
      - {{name: fast, types: [H100], memory_overcommit: {factor}}}
      - {{name: rest, memory_overcommit: 1, default: true}}
    shrink: {{grace: {grace}h}}
    groups:
      lab:
        guaranteed: {{H100: {lab}, L4: 1}}
        limit: {{L4: 3, slices: {slices}}}
        groups: {{nlp: {{guaranteed: {{H100: {nlp}}}}}, cv: {{}}}}
      other: {{guaranteed: {{H100: {other}, L4: 1/2}}, weight: 2}}
"""
FIRST = {"factor": "2", "grace": 0, "lab": 2, "nlp": 1, "other": 1, "slices": 9}
OWNERS = ("ada", "bob", "eve")
PAYERS = (None, "lab", "nlp", "cv", "other", "gone")
TYPES = ("H100", "L4")
NODES = (NodeId("node-a"), NodeId("node-b"))

gpu_ids = st.sampled_from(["g0", "g1", "g2", "g3"])
amounts = st.builds(GpuAmount, st.integers(1, 80_000), st.integers(1, 1000)) | st.sampled_from(
    [GpuAmount(H100.usable_mib // parts, 1000 // parts) for parts in (1, 2, 4)]
)


class HoldingsMachine(RuleBasedStateMachine):
    """Any order of changes; after each, everything equals what adding up anew gives."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Holdings(document(DOCUMENT.format(**FIRST)))
        self.slices: dict[SliceId, Holding] = {}
        self.gpus: dict[GpuId, GpuFacts] = {}
        self.kinds: dict[GpuId, GpuFacts] = {}
        self.steps: dict[SliceId, int] = {}
        self.now = NOON
        self.number = 0

    @rule(
        name=st.integers(0, 9).map(lambda n: SliceId(f"s{n}")),
        owner=st.sampled_from(OWNERS),
        amount=amounts,
        on=gpu_ids,
        group=st.sampled_from(PAYERS),
        pool=st.sampled_from(["fast", "rest"]),
        job=st.booleans(),
        flags=st.tuples(st.booleans(), st.booleans()),
        since=st.integers(0, 3),
    )
    def put_slice(  # noqa: PLR0913 - what a slice is
        self, *, name, owner, amount, on, group, pool, job, flags, since
    ) -> None:
        """A new slice each time: what one that is there stays entitled to is told elsewhere."""
        self.number += 1
        slice_id = f"{name}.{self.number}"
        holding = notebook(
            slice_id,
            owner,
            amount,
            on,
            group=group,
            since=since,
            pool=pool,
            unsuspendable=flags[0],
            called_back=flags[1],
        )
        holding = replace(holding, member_of=("lab", "other")[: 1 + self.number % 2])
        # Of a job it is told how it is entitled, and perhaps it stands still.
        rank, still = Rank(self.number % 3), flags[1]
        of_job = replace(holding, holder=Holder.JOB, job_rank=rank, held_back=still)
        self._put(of_job if job else holding)

    @precondition(lambda self: self.slices)
    @rule(data=st.data())
    def put_it_smaller(self, data) -> None:
        holding = self.slices[data.draw(st.sampled_from(sorted(self.slices)))]
        memory_mib, milli = holding.amount.memory_mib, holding.amount.compute_milli
        half = GpuAmount(max(1, memory_mib // 2), max(1, milli // 2))
        self._put(replace(holding, amount=half))

    @precondition(lambda self: self.slices)
    @rule(data=st.data())
    def give_a_grace_as_it_stands(self, data) -> None:
        holding = self.slices[data.draw(st.sampled_from(sorted(self.slices)))]
        steps = self.held.lasting_steps().get(holding.slice_id, 0)
        self._put(replace(holding, before=AsBefore(self.now + timedelta(hours=1), steps)))

    @precondition(lambda self: self.slices)
    @rule(data=st.data())
    def remove_slice(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.slices)))
        assert self.held.remove(name) == self.slices.pop(name)
        self.steps.pop(name, None)

    @precondition(lambda self: self.slices)
    @rule(data=st.data(), group=st.sampled_from(PAYERS))
    def decide_as_if_one_were_not_there(self, data, group) -> None:
        name = data.draw(st.sampled_from(sorted(self.slices)))
        before = self.seen()
        with self.held.without(name) as away:
            assert away == self.slices[name]
            assert self.held.slice(name) is None
            self.host_memory_is_that_of_adding_up_anew()
            for gpu_type in TYPES:
                self.held.entitled_steps(gpu_type, group, Fraction(1, 4))
                self.held.layout(gpu_type)
        assert self.seen() == before

    def seen(self) -> object:
        held = self.held
        ranks = {name: (held.rank(name), held.piece(name)) for name in self.slices}
        layouts = [held.layout(gpu_type).parts for gpu_type in TYPES]
        trees = [held.tree(gpu_type) for gpu_type in TYPES]
        return ranks, layouts, trees, held.lasting_steps()

    @precondition(lambda self: self.slices)
    @rule(data=st.data(), unsuspendable=st.booleans(), called_back=st.booleans())
    def mark(self, data, unsuspendable, called_back) -> None:
        name = data.draw(st.sampled_from(sorted(self.slices)))
        self.held.mark_unsuspendable(name, unsuspendable=unsuspendable)
        self.held.mark_called_back(name, called_back=called_back)
        self.slices[name] = replace(
            self.slices[name], unsuspendable=unsuspendable, called_back=called_back
        )

    @rule(
        name=gpu_ids,
        kind=st.sampled_from([H100, H100, H100, L4]),
        closed=st.sampled_from([None, None, None, "XID 79"]),
        alone=st.sampled_from([False, False, True]),
    )
    def put_gpu(self, name, kind, closed, alone) -> None:
        node = NODES[int(name[1]) // 2]
        facts = gpu(name, kind, node, int(name[1]), closed=closed, pause_only=alone)
        known = self.kinds.get(facts.gpu_id)
        if known is None or known.kind != kind:
            for holding in self.slices.values():
                if holding.gpu_id == facts.gpu_id:
                    self.steps.pop(holding.slice_id, None)
        self.gpus[facts.gpu_id] = self.kinds[facts.gpu_id] = facts
        self.held.put_gpu(facts)

    @precondition(lambda self: self.gpus)
    @rule(data=st.data())
    def remove_gpu(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.gpus)))
        del self.gpus[name]
        self.held.remove_gpu(name)

    @rule(
        factor=st.sampled_from(["1", "3"]),
        grace=st.sampled_from([0, 2]),
        lab=st.integers(1, 4),
        nlp=st.integers(0, 1),
        other=st.sampled_from([0, "1/2", 1, 2]),
        slices=st.integers(0, 4),
    )
    def change_document(self, **said) -> None:
        before, in_force = self.held.lasting_steps(), self.held.steps_in_force()
        self.held = self.held.under(document(DOCUMENT.format(**said)), self.now)
        self.slices = {one.slice_id: one for one in self.held.slices()}
        self.steps = before
        if said["grace"]:
            # What was in force goes on; what could not be given for want of cards is no loss.
            now = self.held.steps_in_force()
            assert all(now[one] >= steps for one, steps in in_force.items())

    @rule(hours=st.integers(1, 3))
    def time_goes_on(self, hours) -> None:
        self.now += timedelta(hours=hours)
        ended = self.held.end_graces(self.now)
        assert set(ended) == {
            name for name, one in self.slices.items() if one.before and one.before.until <= self.now
        }
        for name in ended:
            self.slices[name] = replace(self.slices[name], before=None)

    def _put(self, holding: Holding) -> None:
        self.slices[holding.slice_id] = holding
        self.held.put(holding)

    def kind_of(self, holding: Holding):
        facts = self.gpus.get(holding.gpu_id)
        lying = any(one.gpu_id == holding.gpu_id for one in self.slices.values())
        if facts is None and not lying:
            self.kinds.pop(holding.gpu_id, None)
        known = self.kinds.get(holding.gpu_id)
        return None if known is None else known.kind

    @rule(node=st.sampled_from(NODES), told_mib=st.none() | st.integers(0, 400_000))
    def tell_host_memory(self, node, told_mib) -> None:
        self.held.host_memory.put(node, told_mib)

    @rule()
    def host_memory_is_that_of_adding_up_anew(self) -> None:
        """Not after each change: what several changes did is looked at once."""
        memory = self.held.host_memory
        rooms = {node: plain_host_room(self.held, node) for node in NODES}
        assert {node: memory.room(node) for node in NODES} == rooms
        told = {node: room.free_mib for node, room in rooms.items() if room is not None}
        for asked_mib in {0, 1, 40_000, *told.values(), *(mib + 1 for mib in told.values())}:
            short = {node for node, free_mib in told.items() if free_mib < asked_mib}
            assert memory.nodes_short_of(asked_mib) == short

    @invariant()
    def kinds_of_cards_that_are_gone_are_known_while_slices_lie_there(self) -> None:
        lying = {one.gpu_id for one in self.slices.values()}
        self.kinds = {g: f for g, f in self.kinds.items() if g in self.gpus or g in lying}
        assert {g for g in ("g0", "g1", "g2", "g3") if self.held.type_of(g)} == self.kinds.keys()

    @invariant()
    def what_groups_and_persons_hold_is_that_of_adding_up_anew(self) -> None:
        held = self.held
        paths = tree_of(held.document, None).paths
        for node in paths:
            on = [s for s in self.slices.values() if node in ("", *paths[held.leaf(s.group)])]
            assert held.held(node) == self.total(s for s in on if s.is_notebook)
            assert held.jobs_held(node) == self.total(s for s in on if not s.is_notebook)
            running = [s for s in on if not s.is_notebook and not s.held_back]
            ranked = {rank: self.total(s for s in running if s.job_rank is rank) for rank in Rank}
            whole = ranked[Rank.ENTITLED]
            assert held.jobs_by_right(node) == whole
            assert held.entitled_jobs_held(node) == whole + ranked[Rank.ENTITLED_IN_PART]
            if node:
                depth = len(paths[node]) + bool(held.groups.nodes[node].children)
                assert held.entitled_inside(node) == self.total(
                    s for s in on if s.is_notebook and self.entitled_steps(s) >= depth
                )
        for owner in OWNERS:
            mine = [s for s in self.slices.values() if s.owner == owner]
            by_id = sorted(mine, key=lambda one: one.slice_id)
            assert held.slices_of(UserName(owner)) == tuple(by_id)
            assert held.held_by(UserName(owner)) == self.total(s for s in mine if s.is_notebook)
            assert held.jobs_held_by(UserName(owner)) == self.total(
                s for s in mine if not s.is_notebook
            )

    @invariant()
    def what_is_entitled_is_what_entitle_says(self) -> None:
        held = self.held
        lasting: dict[SliceId, int] = {}
        for gpu_type in TYPES:
            told = tree_of(held.document, gpu_type)
            mine = self.pieces(gpu_type)
            graced: dict[str, Fraction] = {}
            for piece in mine:
                before = self.slices[piece.piece_id].before
                path = told.paths[piece.node]
                for name in path[: min(before.steps, len(path))] if before else ():
                    graced[name] = graced.get(name, Fraction(0)) + piece.cards
            turns = TurnsByLot(told)
            tree, _ = guarantees_in_force(told, None, turns, graced)
            expected = entitle(tree, mine)
            lasting.update({SliceId(one.piece_id): one.entitled for one in expected})
            keeping = sum(
                gpu_type == held.type_of(g) and not f.closed and not f.pause_only
                for g, f in self.gpus.items()
            )
            now = [self.held_piece(one) for one in expected]
            # With too few cards nobody loses what is in force for who used less.
            entitled = entitled_sums(told, now)
            in_force, _ = guarantees_in_force(told, Fraction(keeping), turns, graced, entitled)
            assert held.tree(gpu_type) == in_force
            assert entitle(in_force, now) == tuple(now)
            if in_force == tree:
                assert tuple(now) == expected
            self.position_is_that_of_adding_up_anew(gpu_type, now)
        assert held.lasting_steps() == lasting
        self.steps = lasting

    def position_is_that_of_adding_up_anew(self, gpu_type: str, now: list[Piece]) -> None:
        held = self.held
        asks = {held.leaf(GroupName("other")): Fraction(1, 2)}
        position = held.position(gpu_type, asks)
        tree, told = held.tree(gpu_type), tree_of(held.document, gpu_type)
        sums = held_sums(tree, now)
        entitled = entitled_sums(tree, now)
        for name in tree.nodes:
            if name:
                assert position.held[name] == sums[name]
                assert position.entitled[name] == entitled[name]
        wants = {leaf: sums[leaf] + asks.get(leaf, 0) for leaf in tree.leaves()}
        supply = max(held.cards(gpu_type), tree.root.guaranteed)
        if told.nodes["lab"].guaranteed >= tree.nodes["lab"].guaranteed:
            assert dict(position.shares) == dict(divide(tree, supply, wants))

    def pieces(self, gpu_type: str) -> list[Piece]:
        """The type's slices, the oldest first, with what they were entitled to before."""
        paths = tree_of(self.held.document, None).paths
        found = []
        for holding in self.slices.values():
            kind = self.kind_of(holding)
            if kind is None or not holding.is_notebook:
                continue
            if self.held.type_of(holding.gpu_id) != gpu_type:
                continue
            node = self.held.leaf(holding.group)
            steps = min(self.steps.get(holding.slice_id, 0), len(paths[node]))
            found.append(
                Piece(
                    PieceId(holding.slice_id),
                    node,
                    cards_on(holding.amount, kind),
                    not holding.unsuspendable,
                    steps,
                    holding.amount.memory_mib,
                )
            )
        return sorted(found, key=self.age)

    def age(self, piece: Piece) -> tuple[bool, datetime, int]:
        """What counts as before comes first."""
        holding = self.slices[piece.piece_id]
        path = self.held.groups.paths[piece.node]
        as_before = holding.before is not None and min(holding.before.steps, len(path)) > 0
        return not as_before, holding.since, lot_of(piece.piece_id)

    def held_piece(self, piece: Piece) -> Piece:
        """A piece with what it is entitled to now."""
        found = self.held.piece(SliceId(piece.piece_id))
        facts = self.gpus.get(self.slices[piece.piece_id].gpu_id)
        alone = facts is not None and facts.pause_only
        assert found == replace(
            piece,
            entitled=found.entitled,
            suspendable=piece.suspendable and not alone,
        )
        return replace(found, suspendable=piece.suspendable)

    def entitled_steps(self, holding: Holding) -> int:
        piece = self.held.piece(holding.slice_id)
        return 0 if piece is None else piece.entitled

    def total(self, slices) -> Amounts:
        cards: dict[str, Fraction] = {}
        memory_mib = count = 0
        for holding in slices:
            count += 1
            memory_mib += holding.amount.memory_mib
            kind = self.kind_of(holding)
            if kind is not None:
                gpu_type = self.held.type_of(holding.gpu_id)
                cards[gpu_type] = cards.get(gpu_type, Fraction(0)) + cards_on(holding.amount, kind)
        return Amounts(
            {name: amount for name, amount in cards.items() if amount}, memory_mib, count
        )

    @invariant()
    def loads_and_rooms_are_those_of_adding_up_anew(self) -> None:
        held = self.held
        for name, facts in self.gpus.items():
            here = [s for s in self.slices.values() if s.gpu_id == name]
            load, pool = held.load(name), held.pool_of(name)
            notebooks = [s for s in here if s.is_notebook]
            assert load.notebooks == added(notebooks)
            assert load.slices == len(notebooks)
            fixed = sum(s.amount.memory_mib for s in notebooks if s.unsuspendable)
            assert load.unsuspendable_mib == fixed
            away = [s for s in notebooks if s.called_back]
            assert load.called_back.compute_milli == added(away).compute_milli
            may_go = [s for s in away if not s.unsuspendable]
            assert load.called_back.memory_mib == added(may_go).memory_mib
            assert load.jobs == added(s for s in here if not s.is_notebook)
            assert pool == ("fast" if facts.kind == H100 else "rest")
            room = room_on(facts, load, held.document.pools[pool])
            index = held.kinds_in(pool)[facts.kind]
            assert index.closed.get(name) == facts.closed
            assert index.rooms.get(name) == (None if facts.closed else room)
        for pool in ("fast", "rest"):
            abroad = [
                s
                for s in self.slices.values()
                if s.gpu_id in self.gpus and s.pool != pool and held.pool_of(s.gpu_id) == pool
            ]
            pieces = [held.piece(s.slice_id) for s in abroad if s.is_notebook]
            other = PoolName("rest" if pool == "fast" else "fast")
            assert held.lent(PoolName(pool), other) == sum(
                p.cards for p in pieces if not p.entitled
            )

    @invariant()
    def lists_of_slices_are_those_of_looking_at_all(self) -> None:
        held, slices = self.held, self.slices.values()
        notebooks = [one for one in slices if one.is_notebook]
        assert set(held.payers()) == {one.group for one in notebooks}
        for group in (*PAYERS, "nobody"):
            mine = [one for one in notebooks if one.group == group]
            assert sorted(held.paid_by(group), key=by_id) == sorted(mine, key=by_id)
            movable = [one for one in mine if not one.named and len(one.member_of) > 1]
            movable.sort(key=lambda one: (-one.since.timestamp(), one.slice_id))
            assert list(held.rechargeable([group])) == movable
        away_from = {one.group for one in notebooks if one.called_back}
        assert held.payers_where(lambda one: one.called_back) == away_from
        pieces = [(one, held.piece(one.slice_id)) for one in notebooks]
        for gpu_type, node in product(held.types(), held.groups.paths):
            path = held.groups.paths[node]
            for most in (None, Fraction(1, 4)):
                mine = [
                    one
                    for one, piece in pieces
                    if piece is not None
                    and held.type_of(one.gpu_id) == gpu_type
                    and path == held.groups.paths[piece.node][: len(path)]
                    and piece.entitled < len(path)
                    and (most is None or piece.cards <= most)
                ]
                found = sorted(held.borrowed_at(gpu_type, node, most), key=by_id)
                assert not path or found == sorted(mine, key=by_id)
        away = [one for one in slices if one.called_back]
        assert sorted(held.called_back(), key=by_id) == sorted(away, key=by_id)
        for gpu_type in TYPES:
            pieces = [held.piece(one.slice_id) for one in away if one.is_notebook]
            sums: dict[str, Fraction] = {}
            for one, piece in zip([one for one in away if one.is_notebook], pieces, strict=True):
                if piece is not None and held.type_of(one.gpu_id) == gpu_type:
                    for name in held.groups.paths[piece.node]:
                        sums[name] = sums.get(name, Fraction(0)) + piece.cards
            assert held.called_back_sums(gpu_type) == sums

    @invariant()
    def parts_fit_on_the_cards_that_guarantees_can_use(self) -> None:
        for gpu_type in TYPES:
            layout = self.held.layout(gpu_type)
            for gpu_id, parts in layout.parts.items():
                facts = self.gpus[gpu_id]
                assert not facts.closed
                assert not facts.pause_only
                assert sum(part.cards for part in parts) <= 1
            lying = sum(part.cards for parts in layout.parts.values() for part in parts)
            lacking = sum(cards for _, cards in layout.problems)
            assert lying + lacking == self.held.tree(gpu_type).root.guaranteed
            assert self.held.layout(gpu_type).parts == layout.parts

    @invariant()
    def entitled_slices_of_different_groups_never_exceed_a_card(self) -> None:
        held = self.held
        for gpu_id, facts in self.gpus.items():
            if facts.closed or facts.pause_only or held.pool_of(gpu_id) is None:
                continue
            here = [s for s in held.slices_on(gpu_id) if held.rank(s.slice_id) is Rank.ENTITLED]
            together = sum((one.amount for one in here), NOTHING)
            whole = GpuAmount(facts.kind.usable_mib, 1000)
            assert len({held.leaf(s.group) for s in here}) < 2 or together.fits_in(whole)

    @invariant()
    def the_order_of_changes_leaves_no_trace(self) -> None:
        held = self.held
        anew = Holdings(held.document, held.gpus(), held.slices(), held.lasting_steps())
        for pool in ("fast", "rest"):
            assert held.kinds_in(PoolName(pool)) == anew.kinds_in(PoolName(pool))
        if all(one.gpu_id in self.gpus for one in self.slices.values()):
            assert held.lasting_steps() == anew.lasting_steps()


def by_id(holding: Holding) -> SliceId:
    return holding.slice_id


def added(slices) -> GpuAmount:
    return sum((s.amount for s in slices), NOTHING)


TestHoldingsUnderAnyOrderOfChanges = HoldingsMachine.TestCase
TestHoldingsUnderAnyOrderOfChanges.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
