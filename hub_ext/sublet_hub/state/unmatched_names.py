"""Pools and types of the quota document that no card is in: a pattern may be mistyped."""

from collections.abc import Iterator

from sublet_quota.document.problems import KeyPath, written_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import PoolName


def unmatched_names(holdings: Holdings) -> Iterator[str]:
    """Yield in words which pools and types of the document have no card; of no cards, nothing."""
    document = holdings.document
    pools = {name: holdings.kinds_in(PoolName(name)) for name in document.pools}
    if not any(pools.values()):
        return
    types = {holdings.type_of(facts.gpu_id) for facts in holdings.gpus_as_told()}
    for name in document.gpu_types:
        if name not in types:
            yield from _told(document, ("gpu_types", name), "no GPU that there is has this type")
    for name, kinds in pools.items():
        if not kinds:
            yield from _told(document, ("pools", name), "no GPU that there is lies in this pool")


def _told(document: QuotaDocument, path: KeyPath, words: str) -> Iterator[str]:
    line = document.line_of(path)
    # What is built in was meant by nobody.
    if line is not None:
        yield f"line {line}: {written_path(path)}: {words}"
