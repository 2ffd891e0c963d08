"""The assignments that the hub service sent to this node, kept for the next start."""

import logging
from pathlib import Path

from pydantic import ValidationError
from sublet_quota.wire.agent_link import Assignments

from sublet_agent.durable_writes import replace_file

log = logging.getLogger(__name__)


class AssignmentsFile:
    """The last assignments, in a file for the agent's account alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: Assignments | None = None

    def load(self) -> Assignments | None:
        """Return what was kept, or ``None`` where nothing can be read."""
        try:
            self._kept = Assignments.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("the last assignments in %s cannot be read: %s", self._path, error)
            return None
        return self._kept

    def keep(self, assignments: Assignments) -> None:
        """Write assignments down where they say something new."""
        before = self._kept
        if before is not None and _content(before) == _content(assignments):
            return
        try:
            replace_file(self._path, assignments.model_dump_json().encode(), forced=True)
        except OSError as error:
            log.warning("cannot keep the assignments in %s: %s", self._path, error)
            return
        self._kept = assignments


def _content(assignments: Assignments) -> object:
    return (assignments.lending, assignments.gpus, assignments.slices)
