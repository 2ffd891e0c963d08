"""From errors and refusals to HTTP: the one table of statuses."""

from typing import Final

from sublet_quota.errors import AmountError, ForbiddenMoveError
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import Problem
from sublet_quota.wire.decision import tell_derivation, tell_help, tell_waits_for

from sublet_hub import errors
from sublet_hub.ledger.database import LedgerReadError, LedgerWriteError

_MOST_TEXT: Final = 4000

STATUS_OF_REFUSAL: Final = {
    RefusalReason.UNKNOWN_POOL: 400,
    RefusalReason.UNKNOWN_SIZE: 400,
    RefusalReason.UNKNOWN_GROUP: 400,
    RefusalReason.SIZE_NOT_ALLOWED: 403,
    RefusalReason.BAD_AMOUNT: 400,
    RefusalReason.LARGER_THAN_GPU: 400,
    RefusalReason.USER_LIMIT: 403,
    RefusalReason.GROUP_LIMIT: 403,
    RefusalReason.TOO_MANY_SLICES: 403,
    RefusalReason.NO_ROOM: 409,
    RefusalReason.NO_GPU: 409,
    RefusalReason.GPU_CLOSED: 409,
    RefusalReason.BAD_NOTEBOOK: 400,
    RefusalReason.BAD_PARAMETERS: 400,
    RefusalReason.BAD_FILES: 400,
    RefusalReason.UNKNOWN_KERNEL: 400,
    RefusalReason.NO_ACCOUNT: 409,
    RefusalReason.NO_JOBS: 403,
    RefusalReason.TOO_MANY_JOBS: 409,
    RefusalReason.NO_DISK: 409,
    RefusalReason.PRIORITY_NOT_ALLOWED: 403,
    RefusalReason.KEEP_BUDGET: 429,
    RefusalReason.BUDGET_SPENT: 403,
    RefusalReason.BELOW_HELD: 409,
    RefusalReason.POD_REFUSED: 409,
}

STATUS_OF_ERROR: Final[dict[type[Exception], tuple[int, str]]] = {
    errors.BadRequestError: (400, "bad-request"),
    AmountError: (400, RefusalReason.BAD_AMOUNT.value),
    ForbiddenMoveError: (409, "conflict"),
    errors.NotAuthenticatedError: (401, "not-authenticated"),
    errors.NotAllowedError: (403, "not-allowed"),
    errors.NotFoundError: (404, "not-found"),
    errors.ConflictError: (409, "conflict"),
    errors.TooManyRequestsError: (429, "too-many-requests"),
    errors.NotebookError: (409, RefusalReason.BAD_NOTEBOOK.value),
    errors.AccountError: (409, RefusalReason.NO_ACCOUNT.value),
    errors.QuotaFileError: (409, "bad-quota-file"),
    errors.QuotaRefusedError: (400, "bad-quota-document"),
    errors.QuotaNotTheirsError: (403, "not-theirs"),
    errors.HubUnreachableError: (503, "hub-unreachable"),
    LedgerWriteError: (503, "ledger-unavailable"),
    LedgerReadError: (503, "ledger-unavailable"),
}


def problem_of_refusal(refusal: Refusal) -> tuple[int, Problem]:
    """Return the status and body that tell a refusal."""
    return STATUS_OF_REFUSAL[refusal.reason], Problem(
        reason=refusal.reason,
        message=refusal.message[:_MOST_TEXT],
        numbers=dict(refusal.numbers),
        why=None if refusal.why is None else tell_derivation(refusal.why),
        helps=tuple(map(tell_help, refusal.helps)),
        waits_for=tell_waits_for(refusal.waits_for),
    )


def problem_of_error(error: Exception) -> tuple[int, Problem] | None:
    """Return the status and body that tell an error; ``None`` for a defect of the service's."""
    for kind, (status, reason) in STATUS_OF_ERROR.items():
        if isinstance(error, kind):
            return status, Problem(reason=reason, message=str(error)[:_MOST_TEXT])
    return None
