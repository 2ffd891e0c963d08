"""Event kinds are one list, of which an agent may tell its own part alone."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.event_kinds import TOLD_BY_AGENTS, EventKind

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def an_event(kind: EventKind) -> AgentEvent:
    """What an agent tells, as the service reads it."""
    fields = {"event_id": "e", "at": NOW.isoformat(), "kind": kind.value, "gpu_id": "GPU-0"}
    return AgentEvent.model_validate(fields)


@pytest.mark.parametrize("kind", sorted(TOLD_BY_AGENTS))
def test_an_agents_event_goes_over_the_wire_and_back(kind: EventKind) -> None:
    event = an_event(kind)
    text = event.model_dump_json()
    assert f'"kind":"{kind.value}"' in text
    assert AgentEvent.model_validate_json(text) == event


@pytest.mark.parametrize("kind", sorted(frozenset(EventKind) - TOLD_BY_AGENTS))
def test_an_agent_that_tells_the_services_own_events_is_refused(kind: EventKind) -> None:
    with pytest.raises(ValidationError, match="the service's own word"):
        an_event(kind)
