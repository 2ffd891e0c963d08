"""The notebook server that this is, as the service is told from where a job is promoted."""

import os
from collections.abc import Mapping


def own_server(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the query that names the server; empty outside of JupyterHub's.

    A server's own token names it, too, and counts for more.
    """
    name = environment.get("JUPYTERHUB_SERVER_NAME")
    return {} if name is None else {"server": name}
