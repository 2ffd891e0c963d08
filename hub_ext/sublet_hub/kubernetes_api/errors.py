"""The errors of Kubernetes' API."""

import re
from collections.abc import Sequence
from typing import Final

from sublet_hub.errors import SubletHubError

_FORBIDDEN: Final = 403
_BY_ADMISSION: Final = frozenset({_FORBIDDEN, 422})
_PASSES: Final = (
    # The namespace's own quota.
    "exceeded quota: ",
    # Admission policies whose parameters an API server that has just started does not know yet, or
    # that an admin has yet to make: nothing is said of the object.
    "failed to configure policy: ",
    "failed to configure binding: ",
    "not yet ready to handle request",
)
"""Kubernetes' words for refusals that have nothing to do with what was asked for."""
_BY_RECORDS: Final = re.compile(r"ValidatingAdmissionPolicy '[^']*-owner-records' with ")
"""How Kubernetes begins the cause of what the chart's policy of owners' records refuses.

Its status has no field for a policy's name. All else is the policy's own sentence, which is not
looked at.
"""


class KubeError(SubletHubError):
    """Kubernetes refused, or did not answer."""

    def __init__(
        self,
        message: str,
        status: int | None = None,
        reason: str = "",
        causes: Sequence[str] = (),
    ) -> None:
        self.status = status
        """The HTTP status; ``None``: there was no answer."""
        self.reason = reason
        self.causes = tuple(causes)
        """What the status's details say of why: of an admission policy that refused, its name."""
        super().__init__(message)

    @property
    def is_final(self) -> bool:
        """Whether asking again would be refused again: the request itself is wrong.

        A namespace's quota, and a policy that is not ready, refuse in the same way what may come
        later.
        """
        if self.status in _BY_ADMISSION and any(words in str(self) for words in _PASSES):
            return False
        return self.status in {400, 404, 405, *_BY_ADMISSION}

    @property
    def may_be_granted(self) -> bool:
        """Whether what is refused may be allowed soon, with nothing changed in what was asked for.

        The record of an owner's server, without which the chart's policy forbids a job, may be on
        its way. Whatever else is forbidden (by a role, a webhook, another policy) stays so.
        """
        return self.status == _FORBIDDEN and any(_BY_RECORDS.match(each) for each in self.causes)


class KubeNotFoundError(KubeError):
    """The object is not there."""


class KubeConflictError(KubeError):
    """The object is there already, or somebody else has changed it meanwhile."""
