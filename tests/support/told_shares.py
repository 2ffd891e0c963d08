"""Sources of a share that say what the test tells them to, and what a widget shows of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sublet_lab.share.sources import UnknownShareError
from sublet_quota.wire import api
from sublet_quota.wire.share import TypeShare, WeekUse
from sublet_quota.wire.tenant_socket import LocalShare

from tests.support.quota_shares import a_group_share, a_quota


def the_service_says(**values: Any) -> api.Share:
    figures = {"held": 1, "entitled": 0.5, "borrowed": 0.5, "guaranteed": 0.5, "limit": 2}
    of_h100 = TypeShare(gpu_type="H100", **figures)
    limits = {"limit_mib": 163840, "held_cards": 1, "limit_cards": 3}
    quota = a_quota(
        own=a_group_share(held_mib=40960, slices=1),
        groups=(a_group_share("lab", types=(of_h100,), held_mib=81920, **limits),),
    )
    facts: dict[str, Any] = {
        "owner": "ada",
        "slices": (),
        "jobs_waiting": 1,
        "jobs_running": 2,
        "lending": True,
        "quota": quota,
        "week": WeekUse(
            since=datetime(2026, 11, 17, tzinfo=UTC), gpu_hours=3, energy_wh=1500, lent_hours=20
        ),
    }
    return api.Share(**{**facts, **values})


@dataclass(eq=False)
class Told:
    """Sources that say what the test tells them to."""

    share: LocalShare | None = None
    asked: int = 0
    looked: int = 0
    service_answers: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def local(self) -> LocalShare:
        self.looked += 1
        if self.share is None:
            message = "nobody <b>answers</b>"
            raise UnknownShareError(message)
        return self.share

    def service(self) -> api.Share:
        self.asked += 1
        if not self.service_answers:
            message = "the service does not answer"
            raise UnknownShareError(message)
        return the_service_says()


def shown(widget: Any) -> str:
    headline_, memory, _, details = widget.children
    return f"{headline_.value} {memory.children[1].value} {details.value}"
