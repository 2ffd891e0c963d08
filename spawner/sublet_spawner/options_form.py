"""The form on which a user picks a slice, as HTML with every text escaped.

Texts come from the quota document and the service; JupyterHub puts the form on its page as it is.
The form has no script in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Final

from sublet_quota.reasons.moments import moment_words
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.api import Offer, Offers
from sublet_quota.wire.environment import NO_GPU

from sublet_spawner.offer_words import amount_of, rank_lines, waits_words, what_is_left, why_not

FIELD: Final = "size"
GROUP_FIELD: Final = "group"

SHARED_ACCOUNT_WARNING: Final = (
    "All users of this hub run as one system account: they are not walled off from each other, "
    "and can read each other's files and notebooks. Use it for trying out, with people you trust."
)


@dataclass(frozen=True, slots=True)
class FormSettings:
    """The parts of the form beside the offers."""

    allow_no_gpu: bool
    chosen: str | None = None
    """The name of the size that this user chose last."""
    chosen_group: str | None = None
    """The group that this user chose last to pay."""
    warnings: Sequence[str] = ()
    """The warnings above the sizes."""
    is_sent_again: bool = False
    """Whether that choice was sent just now, and refused: it is kept, also where it must wait."""
    in_line: bool = False
    """Whether a notice above says already that there is no room."""
    notes: Sequence[str] = ()
    """The notes below the sizes: what a slice is sure of."""


def render_form(
    offers: Offers, settings: FormSettings, by_group: Mapping[str, Offers] = MappingProxyType({})
) -> str:
    """Return the sizes that this user may have now, and why others are not to be had, as HTML.

    ``by_group`` has what they could have if one group paid, where they may choose which.
    """
    chosen = _preselected(offers, settings)
    parts = [_alert(text, "warning") for text in settings.warnings]
    parts += [_told(each) for each in offers.told]
    if offers.message:
        parts.append(_alert(offers.message, "info"))
    nothing = not settings.allow_no_gpu and not any(offer.allowed for offer in offers.offers)
    if nothing and not settings.in_line:
        waits = any(offer.waits for offer in offers.offers)
        what = "you can wait in line for some" if waits else "see the reasons below"
        parts.append(_alert(f"No size can be had at this moment: {what}.", "warning"))
    parts.append('<fieldset class="sublet-sizes"><legend>Your slice of a GPU</legend>')
    parts.append(f'<p class="sublet-left">{escape(what_is_left(offers.own))}</p>')
    if len(offers.groups) > 1:
        parts.append(_group_choice(offers.groups, settings.chosen_group))
    parts.append('<div class="list-group">')
    # Where all lie in one pool its name says nothing.
    tell_pool = len({offer.pool for offer in offers.offers}) > 1
    for offer in offers.offers:
        choice = _size(offer, by_group, tell_pool=tell_pool)
        parts.append(_render(choice, checked=offer.size == chosen))
    if settings.allow_no_gpu:
        parts.append(_render(_Choice(NO_GPU, "No GPU", "CPU only"), checked=chosen == NO_GPU))
    parts.append("</div></fieldset>")
    if settings.notes:
        lines = "<br>".join(escape(note) for note in settings.notes)
        parts.append(f'<p class="sublet-notes small mt-2">{lines}</p>')
    return "\n".join(parts)


def render_without_service(reason: str, settings: FormSettings) -> str:
    """Return the form of a hub whose service cannot be asked, where no GPU is needed."""
    parts = [_alert(text, "warning") for text in settings.warnings]
    parts.append(_alert(f"{reason} Your server would start without a GPU.", "warning"))
    parts.append(f'<input type="hidden" name="{FIELD}" value="{NO_GPU}">')
    return "\n".join(parts)


def _preselected(offers: Offers, settings: FormSettings) -> str | None:
    """Return the last choice where it can be had again, else the default."""
    kept = {offer.size for offer in offers.offers if offer.waits and settings.is_sent_again}
    if settings.chosen in kept:
        return settings.chosen
    open_now = {offer.size for offer in offers.offers if offer.allowed}
    if settings.allow_no_gpu:
        open_now.add(NO_GPU)
    if settings.chosen in open_now:
        return settings.chosen
    if offers.default in open_now:
        return offers.default
    return NO_GPU if settings.allow_no_gpu else None


@dataclass(frozen=True, slots=True)
class _Choice:
    """A line of the form."""

    value: str
    title: str
    amount: str
    why_not: str | None = None
    waits: str = ""
    """What becomes of who picks it though it is not to be had now; empty: nobody can."""
    lines: tuple[str, ...] = ()
    """What a slice of it would be sure of."""


def _size(offer: Offer, by_group: Mapping[str, Offers], *, tell_pool: bool) -> _Choice:
    return _Choice(
        offer.size,
        offer.title or offer.size,
        amount_of(offer, tell_pool=tell_pool),
        why_not(offer),
        waits_words(offer),
        rank_lines(offer, by_group),
    )


def _render(choice: _Choice, *, checked: bool) -> str:
    """Return a line of which all is the button's label, except why it is not to be had.

    The reason is in full contrast although the button is disabled, and read out with it; so is
    what a slice would be sure of, which is no part of the button's name.
    """
    field_id = escape(f"sublet-size-{choice.value}")
    inner = (
        f'<span class="d-flex justify-content-between" id="{field_id}-name">'
        f"<strong>{escape(choice.title)}</strong> <span>{escape(choice.amount)}</span></span>"
    )
    button = (
        f'<input class="form-check-input flex-shrink-0" type="radio" name="{FIELD}" required '
        f'id="{field_id}" value="{escape(choice.value)}"'
    )
    if choice.why_not is None or choice.waits:
        told = (choice.waits, choice.why_not or "") if choice.waits else choice.lines
        lines = "<br>".join(escape(line) for line in told)
        sure, described = "", ""
        if lines:
            sure = f'<span class="d-block small" id="{field_id}-sure">{lines}</span>'
            described = f' aria-labelledby="{field_id}-name" aria-describedby="{field_id}-sure"'
        return (
            '<label class="list-group-item list-group-item-action text-body d-flex gap-3" '
            f'for="{field_id}">'
            f"{button}{described}{' checked' if checked else ''}>"
            f'<span class="flex-grow-1">{inner}{sure}</span></label>'
        )
    return (
        f'<div class="list-group-item d-flex gap-3 bg-body-tertiary">'
        f'{button} disabled aria-describedby="{field_id}-why-not"><div class="flex-grow-1">'
        f'<label class="d-block text-body-secondary" for="{field_id}">{inner}</label>'
        f'<div class="small" id="{field_id}-why-not">{escape(choice.why_not)}</div></div></div>'
    )


def _group_choice(groups: Sequence[str], chosen: str | None) -> str:
    """Return the choice of the group that pays; no answer leaves it to the service."""
    options = "".join(
        f'<option value="{escape(group)}"{" selected" if group == chosen else ""}>'
        f"{escape(group)}</option>"
        for group in groups
    )
    return (
        '<div class="mb-3"><label class="form-label" for="sublet-group">'
        "The group that pays for it</label>"
        f'<select class="form-select" name="{GROUP_FIELD}" id="sublet-group">'
        f'<option value="">Whichever fits best</option>{options}</select></div>'
    )


def _told(told: ShownAnnouncement) -> str:
    teller = "From an admin" if told.from_admin else "From Sublet"
    return _alert(f"{teller}, {moment_words(told.made_at)}: {told.text}", "warning")


def _alert(text: str, kind: str) -> str:
    return f'<p class="alert alert-{kind}" role="status">{escape(text)}</p>'
