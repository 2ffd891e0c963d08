"""Accounts, as The Littlest JupyterHub makes them: here they are only noted."""

made: list[str] = []


def ensure_user(username: str) -> None:
    if username not in made:
        made.append(username)
