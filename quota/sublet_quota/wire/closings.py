"""Bodies of the API about cards and nodes that an admin closes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from sublet_quota.wire.schema import (
    MOST_REASON,
    AnswerModel,
    AwareDatetime,
    Count,
    Name,
    Reason,
    WireModel,
    Words,
)

Place = Annotated[str, StringConstraints(min_length=1, max_length=300)]
"""A node by its name, a card by its id, or a card as ``NODE:INDEX``."""


class ClosingRequest(WireModel):
    """Close a card or a node to new slices and jobs."""

    where: Place
    reason: Annotated[str, StringConstraints(min_length=1, max_length=MOST_REASON)]
    """Why: whoever is refused reads it."""
    until: AwareDatetime | None = None
    """When it opens by itself; ``None``: when an admin opens it."""
    drain: bool = False
    """Whether it is not lent either: its jobs go back to the queue, owners' slices stay."""
    begins_at: AwareDatetime | None = None
    """When it begins: until then it is open, and owners who are there are told; ``None``: now."""


class OpeningRequest(WireModel):
    """Open a card, or a node with all of its cards."""

    where: Place
    reason: Reason = ""


class ClosingInfo(AnswerModel):
    """A card or a node that an admin has closed, or will."""

    node: Name
    gpu_id: Name | None
    """``None``: the whole node."""
    gpu_index: Count | None
    reason: Words
    closed_by: Words
    closed_at: AwareDatetime
    until: AwareDatetime | None
    drains: bool
    begins_at: AwareDatetime | None = None
    """When it begins, until when it is open; ``None``: it has begun."""
    notebooks: Count = Field(description="Owners' slices that are still there.")
    jobs: Count = Field(description="Jobs that are still there.")
