"""What an agent may say of a slice, for the tests of what is made of it."""

from datetime import UTC, datetime
from typing import Any

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.standings import SliceFacts, standing_of
from sublet_quota.wire.standing import tell_standing
from sublet_quota.wire.tenant_socket import LocalShare


def a_share(**values: Any) -> LocalShare:
    """Return a share of these values, and of the standing that follows unless it is one of them."""
    facts: dict[str, Any] = {
        "slice_id": "slice-1",
        "gpu_id": "SIM-0",
        "gpu_type": "Simulated H100 80GB",
        "simulated": True,
        "cap_mib": 40960,
        "memory_mib": 1024,
        "host_mib": 0,
        "state": SliceState.RESIDENT,
        "active": True,
        "since": datetime(2026, 11, 1, tzinfo=UTC),
        "utilisation_percent": 12,
        "lent": False,
    }
    facts |= values
    move, wait = facts.get("move"), facts.get("wait")
    follows = standing_of(
        SliceFacts(
            state=facts["state"],
            active=facts["active"],
            lent=facts["lent"],
            move=None if move is None else move.kind,
            wait=None if wait is None else wait.reason,
        )
    )
    return LocalShare(**{"standing": tell_standing(follows), **facts})
