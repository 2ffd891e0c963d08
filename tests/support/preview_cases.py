"""Documents and states of which previews are asked for."""

from collections.abc import Mapping

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import UserName
from sublet_quota.preview.present_state import (
    JobsNow,
    PersonHere,
    present_state,
)
from sublet_quota.preview.quota_preview import QuotaPreview, preview_quota

from tests.support.quota_cases import (
    NOON,
    document,
    gpu,
)

TYPE = 'gpu_types: {H100: {match: "*H100*"}}\n'
TWO_CARDS = (gpu("gpu-0"), gpu("gpu-1", index=1))


def under(guaranteed: Mapping[str, object], more: str = "", grace: str = "24h") -> str:
    """A document that guarantees groups so many cards."""
    groups = "".join(f"  {name}: {{guaranteed: {{H100: {n}}}}}\n" for name, n in guaranteed.items())
    return f"{TYPE}shrink: {{grace: {grace}}}\ngroups:\n{groups}{more}"


def limited(what: str, most: object) -> str:
    return f"{TYPE}groups: {{a: {{limit: {{{what}: {most}}}}}}}\n"


def previewed(
    held: Holdings, text: str, people: tuple[PersonHere, ...] = (), jobs: JobsNow | None = None
) -> QuotaPreview:
    return preview_quota(present_state(held, people, jobs), document(text), NOON)


def person(owner: str, *groups: str) -> PersonHere:
    return PersonHere(UserName(owner), groups)
