"""Bodies of the API about notebook servers that wait in line for a slice."""

from typing import Final

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, Text, Words

_MOST_GROUPS: Final = 1000


class QueueWait(AnswerModel):
    """A notebook server in line: the answer to a request for a slice, in its place (202)."""

    owner: Name
    server: Text
    """The server's name; empty for the default one."""
    size: Name | None
    """The size by its name; ``None``: amounts were asked for, or the default."""
    title: Text = ""
    """The size as people know it; empty where none was named."""
    pool: Name
    group: Name | None
    """The group of the quota document that would pay; ``None``: no group."""
    since: AwareDatetime
    place: Count
    """The place in line; 1 for the next."""
    before: Count
    """How many of those before ask for the same GPUs."""
    expected_at: AwareDatetime | None
    """When there will be room; ``None``: that is not known."""
    expected_why: Words
    """From what that follows, or why it is not known."""
    waits_for: tuple[Words, ...] = Field(max_length=_MOST_GROUPS)
    """The groups whose slices are in the way."""
    message: Words
    """All of it in sentences for the owner."""
    until: AwareDatetime
    """When the server leaves the line, if its turn has not come."""
