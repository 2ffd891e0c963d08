"""The names of accounts, as The Littlest JupyterHub 2 makes them of users' names."""

import hashlib


def generate_system_username(username: str) -> str:
    if len(username) < 26:
        return username
    digest = hashlib.sha256(username.encode()).hexdigest()
    return f"{username[:26]}-{digest[:5]}"
