"""When it is told what is wrong: once something has lasted longer than it may (pure)."""

from sublet_quota.reasons.installation.faults import Fault, Finding
from sublet_quota.wire.health import Health

from sublet_hub.release_check.findings import unfit_words
from sublet_hub.release_check.settings import ReleaseSettings


class Patience:
    """How long each fault has lasted without a break."""

    def __init__(self) -> None:
        self._since: dict[Fault, float] = {}

    def look(self, findings: tuple[Finding, ...], now_s: float) -> bool:
        """Take what is found now; return whether something of it has lasted too long."""
        self._since = {each.fault: self._since.get(each.fault, now_s) for each in findings}
        return any(now_s - self._since[each.fault] >= each.patience_s for each in findings)


def praise(settings: ReleaseSettings, health: Health) -> str:
    """Return what was seen of a release with which nothing is wrong."""
    said = f"Sublet works. {_many(health.agents, 'agent')} with {_many(health.cards, 'GPU')}."
    if settings.agents is None:
        return said
    if health.unfit_cards and settings.agents.lend:
        said += f" Not fit to be lent: {health.unfit_cards}: {unfit_words(health)}."
    if settings.agents.simulated:
        said += " The GPUs are SIMULATED."
    return said


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
