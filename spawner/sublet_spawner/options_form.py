"""The form on which a user picks a slice, as HTML with every text escaped.

Texts come from the quota document and the service; JupyterHub puts the form on its page as it
is. There is no script in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from sublet_quota.amounts import format_compute, format_memory
from sublet_quota.environment import NO_GPU
from sublet_quota.wire.api import Offer, Offers

FIELD: Final = "size"

SHARED_ACCOUNT_WARNING: Final = (
    "All users of this hub run as one system account: they are not walled off from each other, "
    "and can read each other's files and notebooks. Use it for trying out, with people you trust."
)


@dataclass(frozen=True, slots=True)
class FormSettings:
    """What the form shows beside the offers."""

    allow_no_gpu: bool
    chosen: str | None = None
    """What this user chose last."""
    warnings: Sequence[str] = ()
    """Shown above the sizes."""


def render_form(offers: Offers, settings: FormSettings) -> str:
    """Render the sizes that this user may have now, and why others are not to be had."""
    chosen = _preselected(offers, settings)
    parts = [_alert(text, "warning") for text in settings.warnings]
    if offers.message:
        parts.append(_alert(offers.message, "info"))
    parts.append(f'<p class="sublet-left">{escape(_what_is_left(offers))}</p>')
    parts.append('<fieldset class="sublet-sizes"><legend>GPU</legend>')
    parts.extend(_size(offer, checked=offer.size == chosen) for offer in offers.offers)
    if settings.allow_no_gpu:
        parts.append(_choice(NO_GPU, "No GPU", "CPU only", None, checked=chosen == NO_GPU))
    if not settings.allow_no_gpu and not any(offer.allowed for offer in offers.offers):
        parts.append(_alert("No size can be had at this moment: see the reasons above.", "warning"))
    parts.append("</fieldset>")
    return "\n".join(parts)


def render_without_service(reason: str, settings: FormSettings) -> str:
    """Render the form of a hub whose service cannot be asked, where no GPU is needed."""
    parts = [_alert(text, "warning") for text in settings.warnings]
    parts.append(_alert(f"{reason} Your server would start without a GPU.", "warning"))
    parts.append(f'<input type="hidden" name="{FIELD}" value="{NO_GPU}">')
    return "\n".join(parts)


def _preselected(offers: Offers, settings: FormSettings) -> str | None:
    """The last choice where it can be had again, else the default."""
    open_now = {offer.size for offer in offers.offers if offer.allowed}
    if settings.allow_no_gpu:
        open_now.add(NO_GPU)
    if settings.chosen in open_now:
        return settings.chosen
    if offers.default in open_now:
        return offers.default
    return NO_GPU if settings.allow_no_gpu else None


def _what_is_left(offers: Offers) -> str:
    used = f"You hold {format_memory(offers.used_mib)}"
    if offers.limit_mib is not None:
        left = max(0, offers.limit_mib - offers.used_mib)
        used += f" of {format_memory(offers.limit_mib)} GPU memory; {format_memory(left)} left"
    else:
        used += " of GPU memory"
    slices = f"{offers.slices} slice{'' if offers.slices == 1 else 's'}"
    if offers.most_slices is not None:
        slices += f" of at most {offers.most_slices}"
    return f"{used}. {slices} running."


def _size(offer: Offer, *, checked: bool) -> str:
    amount = f"{format_compute(offer.compute_milli)}, pool {offer.pool}"
    if offer.memory_mib:
        amount = f"{format_memory(offer.memory_mib)}, {amount}"
    why_not = None if offer.allowed else offer.why_not or "not to be had now"
    return _choice(offer.size, offer.title or offer.size, amount, why_not, checked=checked)


def _choice(value: str, title: str, detail: str, why_not: str | None, *, checked: bool) -> str:
    field_id = escape(f"sublet-size-{value}")
    state = " disabled" if why_not is not None else " checked" if checked else ""
    reason = "" if why_not is None else f'<br><small class="text-danger">{escape(why_not)}</small>'
    return (
        f'<div class="form-check">'
        f'<input class="form-check-input" type="radio" name="{FIELD}" required '
        f'id="{field_id}" value="{escape(value)}"{state}>'
        f'<label class="form-check-label" for="{field_id}"><strong>{escape(title)}</strong> '
        f"<small>{escape(detail)}</small>{reason}</label></div>"
    )


def _alert(text: str, kind: str) -> str:
    return f'<p class="alert alert-{kind}" role="status">{escape(text)}</p>'
