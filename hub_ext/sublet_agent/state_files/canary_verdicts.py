"""The verdicts of trials of cards: for this boot, a card and a version of its driver.

A card that has passed is not tried again by the next agent: an agent that begins anew lends as the
one before it did. One that lost or changed the canary's memory is not tried again either.
"""

import logging
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.fitness import Unfit, UnfitReason

from sublet_agent.state_files.gpus_of_this_boot import GpusOfThisBoot

_PASSED: Final = "passed"

log = logging.getLogger(__name__)


class CanaryVerdicts:
    """The verdicts that outlive an agent, in a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._file = GpusOfThisBoot(path, boot_id)
        self._verdicts = self._file.read("the verdicts", _verdict_in)

    def passed(self, gpu_id: GpuId, driver: str | None) -> bool:
        """Whether the card has passed since the boot, with this version of the driver."""
        kept = self._verdicts.get(gpu_id)
        return kept is not None and kept["driver"] == driver and kept["verdict"] == _PASSED

    def failed(self, gpu_id: GpuId, driver: str | None) -> UnfitReason | None:
        """Return why the card has failed for good; ``None``: it has not."""
        kept = self._verdicts.get(gpu_id)
        if kept is None or kept["driver"] != driver or kept["verdict"] == _PASSED:
            return None
        return UnfitReason(Unfit(kept["verdict"]), kept["detail"])

    def keep(self, gpu_id: GpuId, driver: str | None, failure: UnfitReason | None) -> None:
        """Keep a verdict: a failure, or that the card has passed."""
        verdict = _PASSED if failure is None else failure.why.value
        detail = "" if failure is None else failure.detail
        self._verdicts[gpu_id] = {"driver": driver, "verdict": verdict, "detail": detail}
        try:
            self._file.write(self._verdicts)
        except OSError as error:
            log.warning("cannot keep in %s how GPU %s did: %s", self._file.path, gpu_id, error)


def _verdict_in(kept: Any) -> dict[str, Any]:
    verdict = str(kept["verdict"])
    if verdict != _PASSED:
        Unfit(verdict)
    return {"driver": kept["driver"], "verdict": verdict, "detail": str(kept["detail"])}
