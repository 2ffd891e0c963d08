"""The errors of Kubernetes' API."""

from typing import Final

from sublet_hub.errors import SubletHubError

_FORBIDDEN: Final = 403
_QUOTA: Final = "exceeded quota: "


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

        A namespace's quota refuses in the same way what may come later.
        """
        if self.status == _FORBIDDEN and _QUOTA in str(self):
            return False
        return self.status in {400, _FORBIDDEN, 404, 405, 422}


class KubeNotFoundError(KubeError):
    """The object is not there."""


class KubeConflictError(KubeError):
    """The object is there already, or somebody else has changed it meanwhile."""
