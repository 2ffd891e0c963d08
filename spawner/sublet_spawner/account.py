"""The account under which a user's processes run on this machine, told so that jobs do likewise.

The environment goes by allow-list. Whatever JupyterHub sets for the server itself (its token above
all) never goes, also when an admin lists it.
"""

import os
import pwd
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sublet_quota.names.system_accounts import LOGIN_DEFS, least_uid_in
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.wire.api import AccountTemplate

DEFAULT_ENVIRONMENT_NAMES: Final = (
    "CONDA_DEFAULT_ENV",
    "CONDA_ROOT",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "SHELL",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
)

_NEVER_PREFIXES: Final = ("JUPYTERHUB_", "JPY_", "CONFIGPROXY_", "SUBLET_")
_NEVER_WORDS: Final = ("TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "API_KEY", "COOKIE")


@dataclass(frozen=True, slots=True)
class Account:
    """A system account."""

    uid: int
    gid: int
    home: str


def usual_least_uid() -> int:
    """Return the least uid of people's accounts on this machine."""
    try:
        text = Path(LOGIN_DEFS).read_text(errors="replace")
    except OSError:
        text = ""
    return least_uid_in(text)


def find_account(name: str, least_uid: int) -> Account | Refusal:
    """Return a user's own account, or that there is none, or that it is one of the system's.

    A hub that is not root's can run servers as its own account alone: that is never refused.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return refuse(ServerRefusal.NO_SYSTEM_ACCOUNT, account=name)
    is_only_one = entry.pw_uid == os.geteuid() != 0
    if entry.pw_uid < least_uid and not is_only_one:
        refusal = ServerRefusal.SYSTEM_ACCOUNT
        return refuse(refusal, account=name, uid=entry.pw_uid, least_uid=least_uid)
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_dir)


def shared_account(home: str) -> Account:
    """Return the account that this process runs as, with a home of the user's own."""
    return Account(os.getuid(), os.getgid(), home)


def allowed_environment(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the listed variables, but for what could be a secret or the hub's own."""
    return {
        name: environment[name]
        for name in sorted(set(names))
        if name in environment and not _must_stay(name)
    }


def notebook_folder(home: str, notebook_dir: str) -> str:
    """Return the absolute path of the notebook folder; ``~`` and an empty one mean the home."""
    folder = notebook_dir or home
    if folder == "~" or folder.startswith("~/"):
        folder = home + folder[1:]
    return os.path.normpath(os.path.join(home, folder))  # noqa: PTH118


def account_template(
    account: Account, notebook_dir: str, python: str, environment: Mapping[str, str]
) -> AccountTemplate:
    """Return how processes of this account run, for the service."""
    return AccountTemplate(
        uid=account.uid,
        gid=account.gid,
        home=account.home,
        notebook_dir=notebook_folder(account.home, notebook_dir),
        python=python,
        environment=dict(environment),
    )


def is_secret(name: str) -> bool:
    """Whether a variable has the name of a secret."""
    upper = name.upper()
    return any(word in upper for word in _NEVER_WORDS)


def _must_stay(name: str) -> bool:
    return name.upper().startswith(_NEVER_PREFIXES) or is_secret(name)
