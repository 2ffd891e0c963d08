"""What the quota document names, and no card is: a pattern, or an amount, may be mistyped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.consistency.warnings import DocumentWarning
from sublet_quota.document.lookups.gpu_match import Ambiguous
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.value_kinds.amount_limit import AmountLimit
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName

_Place = tuple[GroupName | None, KeyPath]
"""A group, and keys below it; keys of the document where it is none. Of few the path is told."""


def unmatched_names(holdings: Holdings) -> Iterator[DocumentWarning]:
    """Yield which names and sizes of the document have no card; of no cards, nothing.

    A card that several names match is told as such: each of them has it, and none.
    """
    document = holdings.document
    pools = {name: holdings.kinds_in(PoolName(name)) for name in document.pools}
    cards = tuple(holdings.gpus_as_told())
    if not cards:
        return
    kinds = {facts.kind: holdings.type_of(facts.gpu_id) for facts in cards}
    types = {name for kind in kinds for name in _names(document.type_of(kind.type))}
    yield from _kept_out(holdings, cards)
    for name in document.gpu_types:
        if name not in types:
            yield from _told(document, ("gpu_types", name), "no GPU that there is has this type")
    # Of thousands of cards it takes long to look which pools match them.
    empty = [name for name, found in pools.items() if not found]
    matched = {name for facts in cards for name in _pools(holdings, facts)} if empty else ()
    for name in empty:
        if name not in matched:
            yield from _told(document, ("pools", name), "no GPU that there is lies in this pool")
    for place, limit in () if document.gpu_types else _limits(document):
        for name in limit.types:
            if name not in types:
                path = (*_path(document, place), name)
                yield from _told(document, path, "no GPU that there is has this type")
    yield from _memory_limits(holdings)
    yield from _sizes(document, pools, kinds)


def _memory_limits(holdings: Holdings) -> Iterator[DocumentWarning]:
    """Yield the limits of memory that nobody reaches, whatever caps are promised beside others."""
    document = holdings.document
    most_over = max(pool.memory_overcommit for pool in document.pools.values())
    most_mib = int(most_over * sum(each.kind.usable_mib for each in holdings.gpus_as_told()))
    for place, limit in _limits(document):
        if isinstance(limit.memory, int) and limit.memory > most_mib:
            words = (
                "is more memory than slices can have on all GPUs that there are together, "
                f"{format_memory(most_mib)}: it limits nothing"
            )
            yield from _told(document, (*_path(document, place), "memory"), words)


def _names(found: str | Ambiguous | None) -> tuple[str, ...]:
    if isinstance(found, Ambiguous):
        return found.names
    return () if found is None else (found,)


def _pools(holdings: Holdings, facts: GpuFacts) -> tuple[str, ...]:
    gpu_type = holdings.type_of(facts.gpu_id) or facts.kind.type
    return _names(holdings.document.pool_for(gpu_type, facts.node, facts.gpu_id))


def _kept_out(holdings: Holdings, cards: Iterable[GpuFacts]) -> Iterator[DocumentWarning]:
    """Go through the cards that take nothing as none or several match, those alike as one."""
    found = ((holdings.type_of(each.gpu_id), holdings.kept_out(each.gpu_id)) for each in cards)
    for (gpu_type, why), many in sorted(Counter(filter(all, found)).items()):
        cards_of = "1 card" if many == 1 else f"{many} cards"
        words = f"{cards_of} of {gpu_type} can take nothing: {why}"
        yield DocumentWarning((), None, words)


def _sizes(
    document: QuotaDocument,
    pools: Mapping[str, Mapping[GpuKind, object]],
    types: Mapping[GpuKind, str | None],
) -> Iterator[DocumentWarning]:
    for name, size in document.sizes.items():
        there = pools[size.pool or document.default_pool]
        usable = [
            kind.usable_mib
            for kind in there
            if size.may_lie_on(types.get(kind) or "") and size.memory_on(kind.usable_mib)
        ]
        if not usable and there:
            words = "no GPU in its pool has a type that it may lie on: nobody can have it"
            yield from _told(document, ("sizes", name), words)
        elif usable and all(size.memory_on(most) > most for most in usable):
            words = "is more memory than any GPU that it may lie on gives: nobody can have it"
            yield from _told(document, ("sizes", name, "memory"), words)


def _limits(document: QuotaDocument) -> Iterator[tuple[_Place, AmountLimit]]:
    yield (None, ("everyone", "limit")), document.everyone.limit
    for name, group in document.all_groups.items():
        yield (name, ("limit",)), group.limit
        yield (name, ("each", "limit")), group.each.limit


def _path(document: QuotaDocument, place: _Place) -> KeyPath:
    group, keys = place
    return keys if group is None else (*key_path(document.path_of(group)), *keys)


def _told(document: QuotaDocument, path: KeyPath, words: str) -> Iterator[DocumentWarning]:
    line = document.line_of(path)
    # What is built in was meant by nobody.
    if line is not None:
        yield DocumentWarning(path, line, words)
