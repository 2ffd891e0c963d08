"""The errors of Kubernetes' API."""

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


class KubeError(SubletHubError):
    """Kubernetes refused, or did not answer."""

    def __init__(self, message: str, status: int | None = None, reason: str = "") -> None:
        self.status = status
        """The HTTP status; ``None``: there was no answer."""
        self.reason = reason
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

        A role may be on its way, and so may the record of an owner's server, without which the
        chart's policies forbid a job: while a release is upgraded both are.
        """
        return self.status == _FORBIDDEN


class KubeNotFoundError(KubeError):
    """The object is not there."""


class KubeConflictError(KubeError):
    """The object is there already, or somebody else has changed it meanwhile."""
