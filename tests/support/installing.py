"""Installations on a folder, with accounts and systemd pretended: they need no root."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from sublet_hub.installation.carrying_out import Carrier
from sublet_hub.installation.changes import Account
from sublet_hub.installation.facts import Facts, Hub, HubKind, HubSettings, Packages
from sublet_hub.installation.plan import changes, obsolete, steps, undoing
from sublet_hub.installation.tree import Tree
from sublet_hub.installation.wishes import Choices, Wishes, choices

VERSION = "1.2.3"
PYTHON = PurePosixPath("/opt/hub/bin/python3")


class PretendedSystem:
    """Accounts as lines of a file, and the units that were started and stopped."""

    def __init__(self, root: Path) -> None:
        self._passwd = root / "etc/passwd"
        self.done: list[str] = []
        self.hub_started_at: float | None = None
        self.failing: set[str] = set()

    def add_account(self, account: Account) -> None:
        with self._passwd.open("a") as file:
            ids = f"{os.getuid()}:{os.getgid()}"
            file.write(f"{account.name}:x:{ids}::{account.home}:/usr/sbin/nologin\n")

    def remove_account(self, name: str) -> None:
        lines = self._passwd.read_text().splitlines(keepends=True)
        self._passwd.write_text("".join(x for x in lines if not x.startswith(f"{name}:")))

    def reload(self) -> None:
        self.done.append("reload")

    def restart(self, unit: str) -> bool:
        if unit in self.failing:
            return False
        self.done.append(f"restart {unit}")
        return True

    def stop(self, unit: str) -> None:
        self.done.append(f"stop {unit}")

    def is_active(self, unit: str) -> bool:
        return f"restart {unit}" in self.done

    def started_at(self, unit: str) -> float | None:
        return self.hub_started_at if unit == "jupyterhub.service" else None


class Installation:
    """An installation on a folder: made and undone, with answers to its questions."""

    def __init__(self, root: Path, tree: Tree | None = None, *, says_yes: bool = False) -> None:
        self.tree = tree or Tree(root)
        self.system = PretendedSystem(root)
        self.asked: list[str] = []
        self._says_yes = says_yes

    def carrier(self) -> Carrier:
        return Carrier(self.tree, self.system, self._answer, lambda _: None)

    def make(self, chosen: Choices) -> tuple[str, ...]:
        carrier, wanted = self.carrier(), changes(chosen)
        manifest, find = carrier.manifest, self.tree.find
        planned = steps(wanted, manifest, find, self.tree.has_account)
        return carrier.carry_out(planned, obsolete(wanted, manifest, find), VERSION, {})

    def undo(self, *, remove_data: bool = False) -> list[str]:
        carrier = self.carrier()
        undos = undoing(carrier.manifest, self.tree.find)
        return carrier.undo(undos, may_remove_data=lambda: remove_data)

    def _answer(self, question: str) -> bool:
        self.asked.append(question)
        return self._says_yes


def packages(
    python: PurePosixPath = PYTHON, version: tuple[int, int] | None = (3, 12), **versions: str
) -> Packages:
    """An environment with a hub and Sublet, but for what is said."""
    named = {name.replace("_", "-"): each for name, each in versions.items()}
    cards = {"cuda-bindings": "13.0.0", "nvidia-ml-py": "13.580.65"}
    found = {"jupyterhub": "5.3.0", "sublet": VERSION, **cards, **named}
    return Packages(python, version, {k: v for k, v in found.items() if v})


def a_hub(**fields: object) -> Hub:
    """A plain hub of which nothing is refused."""
    usual: dict[str, object] = {
        "kind": HubKind.PLAIN,
        "unit": "jupyterhub.service",
        "configuration": PurePosixPath("/etc/jupyterhub/jupyterhub_config.py"),
        "environment": packages(),
        "users": packages(),
        "settings": HubSettings(),
    }
    return Hub(**(usual | fields))  # type: ignore[arg-type]


def facts(**fields: object) -> Facts:
    """A machine on which nothing is refused."""
    usual: dict[str, object] = {
        "sublet_version": VERSION,
        "is_root": True,
        "in_image": False,
        "systemd_version": 255,
        "systemd_runs": True,
        "hubs": (a_hub(),),
        "gpus": ("NVIDIA H100",),
    }
    return Facts(**(usual | fields))  # type: ignore[arg-type]


def chosen(hub: Hub | None = None, **wishes: object) -> Choices:
    """The choices for a machine with this hub."""
    hub = hub or a_hub()
    return choices(facts(hubs=(hub,)), hub, Wishes(**wishes))  # type: ignore[arg-type]


class TreeThatFails(Tree):
    """A machine whose power is cut at one of the changes of its files, before or after it."""

    def __init__(self, root: Path, at: int, *, after: bool) -> None:
        super().__init__(root)
        self.left = at
        self._after = after

    def make_folder(self, path: PurePosixPath, mode: int) -> None:
        self._cut(lambda: super(TreeThatFails, self).make_folder(path, mode))

    def write(self, path: PurePosixPath, *what: Any) -> None:
        self._cut(lambda: super(TreeThatFails, self).write(path, *what))

    def link(self, path: PurePosixPath, target: str) -> None:
        self._cut(lambda: super(TreeThatFails, self).link(path, target))

    def remove(self, path: PurePosixPath) -> None:
        self._cut(lambda: super(TreeThatFails, self).remove(path))

    def _cut(self, change: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0 and not self._after:
            raise PowerCutError
        change()
        if self.left == 0:
            raise PowerCutError


class PowerCutError(Exception):
    """The power was cut."""
