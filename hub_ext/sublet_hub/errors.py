"""The exceptions of the hub service: broken rules, bad input and failed I/O; never a refusal."""

from collections.abc import Sequence

from pydantic import ValidationError
from sublet_quota.reasons.installation.standings import HubStanding


def words_of_validation(error: ValidationError) -> str:
    """Return what is wrong with a body, in one line. Says no values: they may be secrets."""
    listed = [
        f"{'.'.join(str(step) for step in details['loc']) or 'the body'}: {details['msg']}"
        for details in error.errors(include_url=False, include_input=False)[:10]
    ]
    return "; ".join(listed)


class SubletHubError(Exception):
    """Root of what ``sublet_hub`` raises. Each error's text is fit for the person who asked."""


class ConfigurationError(SubletHubError):
    """A setting, a file or a database with which the service cannot start."""


class QuotaFileError(SubletHubError):
    """The quota file cannot be put in force; ``problems`` is the full list."""

    def __init__(self, path: str, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"the quota file {path} has {_errors(self.problems)}:\n{listed}")

    @property
    def in_one_line(self) -> str:
        """The same without line ends, as an event tells it."""
        told = "; ".join(self.problems)
        return f"the quota file {self.path} has {_errors(self.problems)}: {told}"


class QuotaRefusedError(SubletHubError):
    """A quota document that was sent cannot be in force; ``problems`` is the full list."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"the quota document has {_errors(self.problems)}:\n{listed}")


class QuotaNotTheirsError(SubletHubError):
    """A change of the quota document that its author, an admin of groups, may not make."""


def _errors(problems: Sequence[str]) -> str:
    return "1 error" if len(problems) == 1 else f"{len(problems)} errors"


class BadRequestError(SubletHubError):
    """A request that cannot be read, or asks for what is not possible."""


class NotAuthenticatedError(SubletHubError):
    """No token, or one that the hub does not know."""


class NotAllowedError(SubletHubError):
    """The caller's token lacks the scope."""


class NotFoundError(SubletHubError):
    """The thing asked for is not there, or is none of the caller's business."""


class ConflictError(SubletHubError):
    """The thing is not in a state in which this can be done."""


class TooManyRequestsError(SubletHubError):
    """A limit per owner or address; ``retry_after_s`` is when to try again."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class HubUnreachableError(SubletHubError):
    """JupyterHub does not answer, or not as it should."""

    def __init__(self, message: str, standing: HubStanding = HubStanding.UNREACHABLE) -> None:
        self.standing = standing
        super().__init__(message)


class LinkError(SubletHubError):
    """An agent's message that breaks the protocol; the connection is closed with this text."""


class AccountError(SubletHubError):
    """A process cannot be run as the owner on this machine."""


class NotebookError(SubletHubError):
    """The owner's notebook could not be checked; the text is the reason, for the owner."""
