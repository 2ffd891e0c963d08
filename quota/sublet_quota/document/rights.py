"""The rights of one user, merged from the quota document.

The rule, for each right by itself: what the user's own entry says; else the most generous of what
the user's groups say; else what ``everyone`` says; else the default below. What a group has as a
whole is no right of its members: see ``sublet_quota.admission.slice_admission``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import MemberQuota, UserQuota
from sublet_quota.document.values import Unlimited
from sublet_quota.names.ids import GroupName, SizeName, UserName

DEFAULT_MOST_SLICES: Final = 4
DEFAULT_MOST_JOBS: Final = 20
DEFAULT_KEEP_A_DAY: Final = timedelta(hours=4)

T = TypeVar("T")
CountOrUnlimited = int | Unlimited | None


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one user; ``None`` is no limit."""

    owner: UserName
    groups: tuple[GroupName, ...]
    """The user's groups that the document knows, by name."""
    limit_mib: int | None
    limit_milli: int | None
    most_slices: int | None
    most_jobs: int | None
    keep_a_day: timedelta
    sizes: frozenset[SizeName] | None
    """The sizes to pick from; ``None`` for all."""
    own_amounts: bool


def rights_of(document: QuotaDocument, owner: str, groups: Iterable[str]) -> Rights:
    """Return what ``owner``, a member of ``groups``, may have."""
    member_of = set(groups)
    known = tuple(sorted(name for name in document.groups if name in member_of))
    theirs = [document.groups[name] for name in known]
    user, everyone = document.users.get(owner, UserQuota()), document.everyone
    members = [group.each_member for group in theirs]

    def limit(of: Callable[[MemberQuota], CountOrUnlimited]) -> CountOrUnlimited:
        said = [limit for member in members if (limit := of(member)) is not None]
        if of(user) is None and said:
            return _largest(said)
        return of(everyone) if of(user) is None else of(user)

    sizes = _first_said(user.sizes, [group.sizes for group in theirs], everyone.sizes, _all_of)
    own_amounts = _first_said(
        user.own_amounts, [group.own_amounts for group in theirs], everyone.own_amounts, any
    )
    keep_a_day = _first_said(
        user.keep_a_day, [member.keep_a_day for member in members], everyone.keep_a_day, max
    )
    return Rights(
        owner=UserName(owner),
        groups=tuple(GroupName(name) for name in known),
        limit_mib=as_number(limit(lambda quota: quota.limit.memory), None),
        limit_milli=as_number(limit(lambda quota: quota.limit.compute), None),
        most_slices=as_number(limit(lambda quota: quota.most_slices), DEFAULT_MOST_SLICES),
        most_jobs=as_number(limit(lambda quota: quota.most_jobs), DEFAULT_MOST_JOBS),
        keep_a_day=DEFAULT_KEEP_A_DAY if keep_a_day is None else keep_a_day,
        sizes=None if sizes is None else frozenset(SizeName(name) for name in sizes),
        own_amounts=sizes is None if own_amounts is None else own_amounts,
    )


def as_number(limit: int | Unlimited | None, unsaid: int | None) -> int | None:
    """Return a limit as a number, ``None`` for no limit; ``unsaid`` where nobody gave one."""
    if limit is None:
        return unsaid
    return None if isinstance(limit, Unlimited) else limit


def _first_said(
    of_user: T | None,
    of_groups: Sequence[T | None],
    of_everyone: T | None,
    most_generous: Callable[[Sequence[T]], T],
) -> T | None:
    if of_user is not None:
        return of_user
    said = [value for value in of_groups if value is not None]
    return most_generous(said) if said else of_everyone


def _largest(limits: Sequence[int | Unlimited]) -> int | Unlimited:
    return max(limits, key=lambda limit: float("inf") if isinstance(limit, Unlimited) else limit)


def _all_of(choices: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(size for sizes in choices for size in sizes))
