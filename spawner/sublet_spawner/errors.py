"""The errors between the hub and the Sublet service. A refusal is none of these."""


class SubletSpawnerError(Exception):
    """Root of what ``sublet_spawner`` raises, but for what JupyterHub must be told."""


class TokenFileError(SubletSpawnerError):
    """The file with the service's token is missing, empty, or open to others."""


class ServiceUnreachableError(SubletSpawnerError):
    """The service did not answer in time, or not at all."""


class ServiceAnswerError(SubletSpawnerError):
    """The service answered, but not with what the hub asked for."""


class PodError(SubletSpawnerError):
    """A pod cannot be made as the hub's configuration asks for it."""
