"""The exceptions of this package: broken set-ups and bad input, never a refused move."""


class SubletAgentError(Exception):
    """Root of what ``sublet_agent`` raises."""


class SettingsError(SubletAgentError):
    """The agent cannot work with these settings."""


class JournalError(SubletAgentError):
    """The journal cannot be written, so nothing may be moved."""
