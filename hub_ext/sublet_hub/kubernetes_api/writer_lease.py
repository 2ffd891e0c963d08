"""The claim to be the one service that writes: a Lease says which of several replicas is.

The ledger is read when a service begins, and kept in memory; two that write would each undo what
the other has done. So a service begins only when the Lease is its own, and one that could not renew
it in time ends at once: before the Lease can be another's. Whose it is, is judged by how long
nothing in it has changed by this machine's own clock; what others write of the time is not
compared. A request without an answer is given up and made again, over another connection: one that
has died must not take all the time there is.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeConflictError, KubeError, KubeNotFoundError
from sublet_hub.kubernetes_api.resources import LEASES, Manifest

_LOG = logging.getLogger(__name__)
_NOBODY: Final = ""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """The times of a Lease, in seconds.

    The last two are each less than the second, and that is less than the first.
    """

    lasts_s: float = 15.0
    """After so long without a change somebody else may take the Lease."""
    gives_up_s: float = 10.0
    """After so long without a renewal the Lease's holder ends."""
    answers_s: float = 3.0
    """After so long without an answer a request is given up."""
    renews_s: float = 2.0

    def __post_init__(self) -> None:
        """Refuse times with which two could hold the Lease."""
        slowest_s = max(self.answers_s, self.renews_s)
        quickest_s = min(self.answers_s, self.renews_s)
        if not self.lasts_s > self.gives_up_s > slowest_s >= quickest_s > 0:
            message = (
                f"a lease of {self.lasts_s} s, given up after {self.gives_up_s} s, its requests "
                f"after {self.answers_s} s, renewed every {self.renews_s} s"
            )
            raise ValueError(message)


class WriterLease:
    """The claim of one replica to write."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it is made of
        self,
        api: KubeApi,
        namespace: str,
        name: str,
        holder: str,
        monotonic: Callable[[], float],
        times: LeaseTimes | None = None,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._monotonic = monotonic
        self._times = times or LeaseTimes()
        self._seen: Manifest | None = None
        self._seen_at = monotonic()

    async def acquire(self) -> None:
        """Wait until this replica is the one that writes."""
        told = ""
        while True:
            try:
                if await self._take(self._times.answers_s):
                    _LOG.info("this service writes now: it holds the lease %s", self._name)
                    return
                holder = (self._seen or {}).get("holderIdentity") or "nobody"
                if holder != told:
                    told = holder
                    _LOG.info("%s writes; this service waits for the lease %s", holder, self._name)
            except KubeConflictError:
                _LOG.debug("somebody was faster with the lease %s", self._name)
            except KubeError as error:
                _LOG.warning("the lease %s cannot be asked for: %s", self._name, error)
            await asyncio.sleep(self._times.renews_s)

    async def hold(self) -> None:
        """Renew the Lease until that fails for too long; then nothing may be written any more."""
        renewed_at = self._monotonic()
        while True:
            left_s = renewed_at + self._times.gives_up_s - self._monotonic()
            if left_s <= 0:
                _LOG.error("the lease %s was not renewed in time: this service ends", self._name)
                return
            began = self._monotonic()
            try:
                if not await self._take(min(left_s, self._times.answers_s)):
                    _LOG.error("the lease %s is another's: this service ends", self._name)
                    return
                renewed_at = began
            except KubeError as error:
                _LOG.warning("the lease %s was not renewed: %s", self._name, error)
            await asyncio.sleep(self._times.renews_s)

    async def release(self) -> None:
        """Give the Lease up, so that another replica begins at once."""
        try:
            lease = await self._api.get(LEASES, self._namespace, self._name)
            if (lease.get("spec") or {}).get("holderIdentity") == self._holder:
                await self._write(lease, _NOBODY)
        except KubeError as error:
            _LOG.warning("the lease %s was not given up: %s", self._name, error)

    async def _take(self, within_s: float) -> bool:
        """Make or renew the Lease where nobody else holds it; return whether that was so.

        ``KubeConflictError`` where it was changed meanwhile, be it by a request of this replica
        that had no answer: whose it is now, the next look shows. ``KubeError`` without an answer.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self._look_and_take()
        except TimeoutError as error:
            message = f"Kubernetes' API server did not answer within {within_s:.0f} s"
            raise KubeError(message) from error

    async def _look_and_take(self) -> bool:
        try:
            lease = await self._api.get(LEASES, self._namespace, self._name)
        except KubeNotFoundError:
            lease = None
        if lease is None:
            made = LEASES.manifest({"name": self._name}, spec=self._spec({}, self._holder))
            await self._api.create(LEASES, self._namespace, made)
            return True
        spec = lease.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._monotonic()
        holder = spec.get("holderIdentity") or _NOBODY
        lasts_s = float(spec.get("leaseDurationSeconds") or self._times.lasts_s)
        left = self._monotonic() - self._seen_at > lasts_s
        if holder not in {self._holder, _NOBODY} and not left:
            return False
        await self._write(lease, self._holder)
        return True

    async def _write(self, lease: Manifest, holder: str) -> None:
        spec = self._spec(lease.get("spec") or {}, holder)
        await self._api.replace(LEASES, self._namespace, {**lease, "spec": spec})

    def _spec(self, before: Manifest, holder: str) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changes = before.get("holderIdentity") != holder
        return {
            **before,
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(self._times.lasts_s)),
            "renewTime": now,
            "acquireTime": now if changes else before.get("acquireTime", now),
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + int(changes),
        }
