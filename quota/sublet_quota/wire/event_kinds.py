"""What an event is about: as agents tell it, the ledger keeps it and pages show it."""

from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """The kinds of event: on the wire and in the ledger by their values."""

    ACTIVE = "active"
    IDLE = "idle"
    GATE_OPENED = "gate-opened"
    PAUSED = "paused"
    UNPAUSED = "unpaused"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    CARD_CHANGED = "card-changed"
    """A slice is on another card of its node now."""
    UNDONE = "undone"
    """A move was taken back before its end."""
    EVICTED = "evicted"
    """A job has to leave its node: it cannot be suspended, and an owner needs its room."""
    REFUSED_MOVE = "refused-move"
    NEAR_CAP = "near-cap"
    """A slice has nine tenths of its memory cap."""
    OVER_CAP = "over-cap"
    """A slice has more than its memory cap."""
    WITHIN_CAP = "within-cap"
    """A slice that was over its cap is clearly below it again."""
    LOST = "lost"
    """A process's memory can never come back."""
    GPU_CLOSED = "gpu-closed"
    RECOVERED = "recovered"
    """An agent that began anew has found a process, and has put it right."""

    SLICE_CREATED = "slice-created"
    SLICE_STARTED = "slice-started"
    SLICE_PLACED = "slice-placed"
    SLICE_RELEASED = "slice-released"
    SLICE_KEPT = "slice-kept"
    SLICE_WANTED = "slice-wanted"
    SLICE_GIVEN_UP = "slice-given-up"
    SLICE_RESIZED = "slice-resized"
    SLICE_CALLED_BACK = "slice-called-back"
    """A borrowed slice has lost its place on the card, for somebody whose it is."""
    SLICE_BROUGHT_BACK = "slice-brought-back"
    """A slice that was called back has its place again."""
    SLICE_RECHARGED = "slice-recharged"
    """Another group of its owner pays for a slice from now on."""
    SLICE_AS_BEFORE = "slice-as-before"
    """Of what it counts into, less is guaranteed or allowed: for a while it counts as before."""
    SLICE_AS_BEFORE_NO_MORE = "slice-as-before-no-more"
    """That while is over."""
    QUEUED = "queued"
    """A notebook server waits in line for a slice."""
    QUEUE_TURN = "queue-turn"
    """Its turn has come: it has a slice, and the hub is asked to start it."""
    QUEUE_LEFT = "queue-left"
    """Its owner, or an admin, took it out of the line."""
    QUEUE_GAVE_UP = "queue-gave-up"
    """It is in line no more, and was not started."""
    SERVER_IDLE_WARNED = "server-idle-warned"
    """An idle server's owner is warned that it will be ended."""
    SERVER_EXTENDED = "server-extended"
    """Its owner has put that off."""
    SERVER_ENDED_IDLE = "server-ended-idle"
    """A server was ended for being idle."""
    OVER_CAP_WARNED = "over-cap-warned"
    """The owner of a server or job is told that it is ended unless it is back within its cap."""
    ENDED_OVER_CAP = "ended-over-cap"
    """A server or job was ended for being over its cap."""
    JOB_SUBMITTED = "job-submitted"
    JOB_PLACED = "job-placed"
    JOB_STARTED = "job-started"
    JOB_WENT_BACK = "job-went-back"
    JOB_ENDED = "job-ended"
    JOB_HELD_BACK = "job-held-back"
    """A slice has taken a job's place below a limit: it stands still until there is room again."""
    JOB_GOES_ON = "job-goes-on"
    """There is room again, below the limit or on its card."""
    JOB_RECHARGED = "job-recharged"
    """Its owner has left the group that paid for a job: another of theirs pays, or none."""
    CARDS_CLOSED = "cards-closed"
    """An admin has closed a card or a node."""
    CARDS_OPENED = "cards-opened"
    ENDED_BY_ADMIN = "ended-by-admin"
    """An admin ends a server, or takes a job off its GPU."""
    ANNOUNCED = "announced"
    """An admin tells owners something."""
    ANNOUNCEMENT_WITHDRAWN = "announcement-withdrawn"
    LENDING_SWITCHED = "lending-switched"
    AGENT_CONNECTED = "agent-connected"
    AGENT_SILENT = "agent-silent"
    BUDGET_ENDS = "budget-ends"
    """Most of a budget's hours are spent."""
    BUDGET_SPENT = "budget-spent"
    BUDGET_RENEWED = "budget-renewed"
    """A budget that was spent has hours again."""
    QUOTA_LOADED = "quota-loaded"
    QUOTA_REFUSED = "quota-refused"


TOLD_BY_AGENTS: Final = frozenset(
    {
        EventKind.ACTIVE,
        EventKind.IDLE,
        EventKind.GATE_OPENED,
        EventKind.PAUSED,
        EventKind.UNPAUSED,
        EventKind.SUSPENDED,
        EventKind.RESUMED,
        EventKind.CARD_CHANGED,
        EventKind.UNDONE,
        EventKind.EVICTED,
        EventKind.REFUSED_MOVE,
        EventKind.NEAR_CAP,
        EventKind.OVER_CAP,
        EventKind.WITHIN_CAP,
        EventKind.LOST,
        EventKind.GPU_CLOSED,
        EventKind.RECOVERED,
    }
)
"""What agents see and do. The other kinds are the service's own, and refused from an agent."""
