"""Whether, and how, a process can be run as somebody on this machine."""

import os
import pwd
from pathlib import Path
from typing import TypedDict

from sublet_quota.names.system_accounts import LOGIN_DEFS, least_uid_in
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.errors import AccountError
from sublet_hub.host.capabilities import may_change_accounts


class RunAs(TypedDict, total=False):
    """The arguments of ``subprocess.Popen`` that say under which account a process runs."""

    user: int
    group: int
    extra_groups: list[int]
    umask: int


def run_as(account: AccountTemplate) -> RunAs:
    """Return the arguments by which a process runs under this account.

    ``AccountError`` where that is not possible: only root, or who has that right of root's, can
    start processes of others, and never are processes run as root, or as another account of the
    system's, for somebody who is not.
    """
    own = os.geteuid()
    if account.uid == own:
        return {"umask": 0o022}
    if not may_change_accounts():
        message = (
            f"the service runs as uid {own} and cannot start processes of uid {account.uid}: run "
            "it as root, or with CAP_SETUID and CAP_SETGID, or let all servers run as the "
            "service's own account"
        )
        raise AccountError(message)
    if account.uid == 0 or account.gid == 0:
        message = f"jobs of uid {account.uid}, gid {account.gid} are not run: that is root"
        raise AccountError(message)
    least_uid = _least_uid()
    if account.uid < least_uid:
        message = (
            f"jobs of uid {account.uid} are not run: uids below {least_uid} are the system's "
            f"(UID_MIN in {LOGIN_DEFS})"
        )
        raise AccountError(message)
    return {
        "user": account.uid,
        "group": account.gid,
        "extra_groups": _groups_of(account),
        "umask": 0o022,
    }


def _least_uid() -> int:
    try:
        text = Path(LOGIN_DEFS).read_text(errors="replace")
    except OSError:
        text = ""
    return least_uid_in(text)


def user_name_of(account: AccountTemplate) -> str:
    """Return the account's name on this machine, or its number where it has none."""
    try:
        return pwd.getpwuid(account.uid).pw_name
    except KeyError:
        return str(account.uid)


def _groups_of(account: AccountTemplate) -> list[int]:
    try:
        name = pwd.getpwuid(account.uid).pw_name
    except KeyError:
        return [account.gid]
    return [group for group in os.getgrouplist(name, account.gid) if group != 0]
