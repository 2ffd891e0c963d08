"""The choice of a user for their server, read from a form, a query or the REST API alike.

Nothing is taken as read: every key and type is checked here. Whether the choice can be meant, and
whether the user may have it, is the service's to decide, in its own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.wire.api import MOST_ASKED_MILLI
from sublet_quota.wire.environment import NO_GPU
from sublet_quota.wire.schema import MOST_MIB

MAX_NAME_LENGTH: Final = 255
_NAMES: Final = ("size", "pool", "gpu_type", "group")
_AMOUNTS: Final = {"memory_mib": MOST_MIB, "compute_milli": MOST_ASKED_MILLI}
"""With the most that the service takes: of more nobody could tell it."""
KEYS: Final = frozenset((*_NAMES, *_AMOUNTS))
_FORM_KEYS_OF_THE_HUB: Final = frozenset({"_xsrf"})


@dataclass(frozen=True, slots=True)
class SliceChoice:
    """A size by name, or amounts, or neither (the default size). Not yet known to be possible."""

    size: str | None = None
    pool: str | None = None
    gpu_type: str | None = None
    memory_mib: int | None = None
    compute_milli: int | None = None
    group: str | None = None
    """The group that is to pay; ``None``: whichever fits best."""

    @property
    def without_gpu(self) -> bool:
        """Whether the user wants no slice."""
        return self.size == NO_GPU

    def __str__(self) -> str:
        """Return the choice in words, for the progress page and the log."""
        what = "the default size" if self.size is None else f"size {self.size}"
        if self.memory_mib is not None:
            what = f"{self.memory_mib} MiB"
        return what if self.group is None else f"{what}, paid by {self.group}"


def read_user_options(
    options: Any, other_keys: frozenset[str] = frozenset()
) -> SliceChoice | Refusal:
    """Return the choice in ``user_options``, which are as the client sent them, or the refusal.

    ``other_keys`` belong to other parts of the hub's configuration and are left to them.
    """
    if not isinstance(options, Mapping):
        return refuse(ServerRefusal.NO_OBJECT, value=_shown(options))
    unknown = sorted(str(key) for key in options if key not in KEYS | other_keys)
    if unknown:
        return refuse(
            ServerRefusal.UNKNOWN_KEYS,
            keys=tuple(_shown(key) for key in unknown[:5]),
            allowed=tuple(sorted(KEYS | other_keys)),
        )
    names: dict[str, str | None] = {}
    for key in _NAMES:
        value = options.get(key)
        if value is not None and not _is_name(value):
            return refuse(
                ServerRefusal.NO_NAME,
                key=key,
                value=_shown(value),
                most_letters=MAX_NAME_LENGTH,
            )
        names[key] = value
    amounts: dict[str, int | None] = {}
    for key, most in _AMOUNTS.items():
        value = options.get(key)
        if value is not None and not _is_whole_number(value, most):
            return refuse(ServerRefusal.NO_NUMBER, key=key, value=_shown(value), most=str(most))
        amounts[key] = value
    return SliceChoice(
        names["size"],
        names["pool"],
        names["gpu_type"],
        amounts["memory_mib"],
        amounts["compute_milli"],
        names["group"],
    )


def read_form(
    form: Mapping[str, list[str]], other_keys: frozenset[str] = frozenset()
) -> dict[str, Any] | Refusal:
    """Return a form's fields (or a query's) as ``user_options``, or the refusal.

    Numbers become numbers.
    """
    options: dict[str, Any] = {}
    for key, values in form.items():
        if key in _FORM_KEYS_OF_THE_HUB:
            continue
        if key in other_keys:
            options[key] = values[0] if len(values) == 1 else values
            continue
        if len(values) != 1:
            return refuse(ServerRefusal.GIVEN_TWICE, key=_shown(key), times=len(values))
        value = values[0].strip()
        if value or key not in KEYS:
            options[key] = _number(value) if key in _AMOUNTS else value
    choice = read_user_options(options, other_keys)
    return choice if isinstance(choice, Refusal) else options


def _number(text: str) -> int | str:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else text  # noqa: PLR2004


def _is_whole_number(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= most


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_LENGTH and value.isprintable()


def _shown(value: Any) -> str:
    """Return a value short, and on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004
