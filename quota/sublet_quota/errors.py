"""The exceptions of this package: broken rules and bad input, never a refusal."""


class SubletQuotaError(Exception):
    """Root of what ``sublet_quota`` raises."""


class AmountError(SubletQuotaError, ValueError):
    """An amount that cannot be read, or is not possible."""


class ForbiddenMoveError(SubletQuotaError):
    """A move that the table of a life cycle does not have."""


class ReasonError(SubletQuotaError, ValueError):
    """A reason without the numbers that its words need, or with others."""


class GroupTreeError(SubletQuotaError, ValueError):
    """Groups whose guarantees, limits or names contradict each other."""
