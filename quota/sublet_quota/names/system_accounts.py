"""The border between people's accounts and those of the system, as /etc/login.defs draws it.

A hub's users choose their names, or somebody elsewhere does: one who is called like an account of
the system, such as the hub service's own, must not get it.
"""

from typing import Final

LOGIN_DEFS: Final = "/etc/login.defs"
_USUAL_LEAST_UID: Final = 1000


def least_uid_in(login_defs: str) -> int:
    """Return the least uid of people's accounts by the text of that file; 1000 where it is silent.

    The last word counts, as it does for ``useradd``.
    """
    least = _USUAL_LEAST_UID
    for line in login_defs.splitlines():
        words = line.split()
        if words[:1] == ["UID_MIN"] and len(words) > 1 and words[1].isdecimal():
            least = int(words[1])
    return least
