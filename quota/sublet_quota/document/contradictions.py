"""The contradictions of a quota document: entries, each right alone, that do not fit together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from sublet_quota.amounts.gpu_amounts import format_compute, format_memory
from sublet_quota.document.sections import Guarantee, Limit
from sublet_quota.document.values import Unlimited
from sublet_quota.wire.environment import NO_GPU

if TYPE_CHECKING:
    from sublet_quota.document.quota_document import QuotaDocument

_MOST: Final = 400


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A place where two entries do not fit together."""

    path: tuple[str | int, ...]
    message: str


def find_contradictions(
    document: "QuotaDocument", pools: Iterable[str] = (), sizes: Iterable[str] = ()
) -> tuple[Contradiction, ...]:
    """Return what in ``document`` does not fit together, the first hundreds of it.

    ``pools`` and ``sizes`` are names that were written but left out as wrong: they may be named.
    """
    known_pools = tuple(dict.fromkeys((*document.pools, *pools)))
    known_sizes = tuple(dict.fromkeys((*document.sizes, *sizes)))
    found = chain(
        _size_called_as_if_there_was_none(document),
        _pools_of_sizes(document, known_pools),
        _default_size(document, known_sizes),
        _sizes_of_people(document, known_sizes),
        _guarantees(document, known_pools),
    )
    return tuple(islice(found, _MOST))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or ``""`` where no known word is near."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{found[0]}'?)" if found else ""


def _missing(
    path: tuple[str | int, ...], section: str, name: str, names: Sequence[str]
) -> Contradiction:
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")  # noqa: PLR2004
    return Contradiction(
        path,
        f"names '{name}', which is not in `{section}`{nearest(name, names)}: there are {shown}",
    )


def _size_called_as_if_there_was_none(document: "QuotaDocument") -> Iterator[Contradiction]:
    if NO_GPU in document.sizes:
        yield Contradiction(
            ("sizes", NO_GPU),
            f"cannot be a size's name: who asks for '{NO_GPU}' gets no GPU; write another",
        )


def _pools_of_sizes(document: "QuotaDocument", pools: Sequence[str]) -> Iterator[Contradiction]:
    for name, size in document.sizes.items():
        if size.pool is not None and size.pool not in pools:
            yield _missing(("sizes", name, "pool"), "pools", size.pool, pools)


def _default_size(document: "QuotaDocument", sizes: Sequence[str]) -> Iterator[Contradiction]:
    name = document.default_size
    if name is not None and name not in sizes:
        yield _missing(("default_size",), "sizes", name, sizes)


def _sizes_of_people(document: "QuotaDocument", known: Sequence[str]) -> Iterator[Contradiction]:
    people = [
        (("everyone",), document.everyone.sizes),
        *((("groups", name), group.sizes) for name, group in document.groups.items()),
        *((("users", name), user.sizes) for name, user in document.users.items()),
    ]
    for path, sizes in people:
        for place, size in enumerate(sizes or ()):
            if size not in known:
                yield _missing((*path, "sizes", place), "sizes", size, known)


def _guarantees(document: "QuotaDocument", pools: Sequence[str]) -> Iterator[Contradiction]:
    people: list[tuple[tuple[str, ...], Guarantee | None, Limit]] = [
        *((("groups", name), g.guaranteed, g.limit) for name, g in document.groups.items()),
        *((("users", name), u.guaranteed, u.limit) for name, u in document.users.items()),
    ]
    for path, guaranteed, limit in people:
        if guaranteed is None:
            continue
        if guaranteed.pool is not None and guaranteed.pool not in pools:
            yield _missing((*path, "guaranteed", "pool"), "pools", guaranteed.pool, pools)
        parts = (
            ("memory", guaranteed.memory, limit.memory, format_memory),
            ("compute", guaranteed.compute, limit.compute, format_compute),
        )
        for part, sure, most, written in parts:
            if most is not None and not isinstance(most, Unlimited) and sure > most:
                yield Contradiction(
                    (*path, "guaranteed", part),
                    f"guarantees {written(sure)}, above the limit of {written(most)}: "
                    "write no more than the limit, or raise the limit",
                )
