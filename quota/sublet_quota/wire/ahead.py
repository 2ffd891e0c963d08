"""Bodies of the API about what will be taken from an owner: they are told before."""

from enum import StrEnum

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Name, Seconds, Words


class Deed(StrEnum):
    """How an owner may put something off; each is a route of the API below its slice."""

    EXTEND = "extend"
    KEEP = "keep"


class AheadInfo(AnswerModel):
    """Something that will be taken from an owner, unless something happens before."""

    notice_id: Name
    """The id of the notice that tells the same, where one does: it need not be shown twice."""
    kind: Name
    """A value of ``AheadKind``; a newer service may tell others."""
    what: Words
    """What is taken, as a sentence; likewise the others."""
    why: Words
    advice: Words
    """What its owner can do."""
    at: AwareDatetime | None
    """When, unless something happens before; ``None``: at once, or nobody can say."""
    is_near: bool
    """Whether it is soon; else it is only how things stand."""
    slice_id: Name | None = None
    """The slice that it is about."""
    deed: Name | None = None
    """A value of ``Deed`` that puts it off; ``None``: nothing that its owner may do by a button."""
    deed_s: Seconds | None = None
    """For how long it is put off by that, at most."""
    why_no_deed: Words = ""
    """Why nothing puts it off; empty where something does."""
