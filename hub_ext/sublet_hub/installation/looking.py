"""Look at the machine, or at an image's folder: what the plan must know of it."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sublet_quota.names.system_accounts import LOGIN_DEFS, least_uid_in

from sublet_hub.installation.changes import Kind
from sublet_hub.installation.facts import AccountThere, Facts, Hub, HubKind, HubSettings, Packages
from sublet_hub.installation.hub_settings import HubSettingsError, read_settings
from sublet_hub.installation.hub_units import HubUnit, hub_units
from sublet_hub.installation.layout import (
    ACCOUNT,
    AGENT_UNIT,
    SERVICE_CONFIGURATION,
    SERVICE_UNIT,
    SIMULATED_UNIT,
    UNITS,
)
from sublet_hub.installation.refusals import CARD_PACKAGES, SYSTEMD_SPAWNER
from sublet_hub.installation.system import System
from sublet_hub.installation.tree import Tree
from sublet_hub.installation.wishes import Wishes

_PACKAGES: Final = ("jupyterhub", "sublet", SYSTEMD_SPAWNER, *CARD_PACKAGES)
_TLJH: Final = HubSettings(
    api_url="http://127.0.0.1:15001/hub/api", public_port=80, proxy_api_port=8099
)
_SYSTEMCTL: Final = (PurePosixPath("/usr/bin/systemctl"), PurePosixPath("/bin/systemctl"))
_MODPROBE: Final = PurePosixPath("/usr/bin/nvidia-modprobe")
_UNIT_FOLDERS: Final = (UNITS, PurePosixPath("/usr/lib/systemd/system"))
_LOGIN_DEFS: Final = PurePosixPath(LOGIN_DEFS)
_MOST_LINKS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What of the hub the one who installs names, in place of what is found."""

    unit: str | None = None
    configuration: PurePosixPath | None = None
    python: PurePosixPath | None = None


def look(tree: Tree, system: System, version: str, wishes: Wishes, named: Named) -> Facts:
    """Return the facts. Runs the hub's Python to read its configuration, as the hub does."""
    in_image = tree.root != Path("/")
    found = hub_units(tree)
    wanted = None if named.unit is None else named.unit.removesuffix(".service") + ".service"
    units = [unit for unit in found if wanted in {None, unit.name}]
    hubs = tuple(_hub(tree, unit, wishes, named) for unit in units)
    return Facts(
        sublet_version=version,
        is_root=os.geteuid() == 0,
        in_image=in_image,
        systemd_version=_systemd_version(tree),
        systemd_runs=not in_image and Path("/run/systemd/system").is_dir(),
        hubs=hubs,
        gpus=() if in_image else nvidia_cards(),
        other_units=tuple(unit.name for unit in found if unit not in units),
        drop_ins=drop_ins(tree),
        has_nvidia_modprobe=tree.find(_MODPROBE).kind is not Kind.NOTHING,
        port_is_taken=not in_image
        and not (system.is_active(SERVICE_UNIT) and wishes.port == service_port(tree))
        and _is_taken(wishes.port),
        account=account_there(tree),
        least_uid=least_uid_in(tree.find(_LOGIN_DEFS).content.decode("utf-8", "replace")),
    )


def drop_ins(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return the files by which somebody changes Sublet's units (`systemctl edit`)."""
    folders = [UNITS / f"{unit}.d" for unit in (SERVICE_UNIT, AGENT_UNIT, SIMULATED_UNIT)]
    return tuple(
        folder / file.name
        for folder in folders
        for file in sorted(tree.path(folder).glob("*.conf"))
    )


def service_port(tree: Tree) -> int | None:
    """Return the port that the service's configuration says; ``None`` where there is none."""
    text = tree.find(SERVICE_CONFIGURATION).content.decode(errors="replace")
    ports = re.findall(r"^c\.SubletHub\.port *= *(\d+)", text, re.MULTILINE)
    return int(ports[-1]) if ports else None


def account_there(tree: Tree) -> AccountThere | None:
    """Return the account that has the name of the service's, if there is one."""
    fields = tree.account_fields(ACCOUNT)
    if fields is None:
        return None
    return AccountThere(int(fields[2]), PurePosixPath(fields[5]), PurePosixPath(fields[6]))


def nvidia_cards() -> tuple[str, ...]:
    """Return the names of the NVIDIA cards that the driver lists."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return tuple(re.findall(r"^GPU \d+: (.+?) \(UUID", done.stdout, re.MULTILINE))


def packages_of(tree: Tree, python: PurePosixPath) -> Packages:
    """Return what an interpreter's environment has, by the files that its installer wrote."""
    prefix = python.parent.parent
    libraries = _libraries_of(tree, prefix)
    if not libraries:
        return Packages(python)
    # The newest: conda's environments with a Python 3.12 have a link python3.1, too.
    version = max(libraries)
    found = _versions_in(libraries[version], tree, prefix)
    return Packages(python, version, found, tree.first_closed(python))


def _libraries_of(tree: Tree, prefix: PurePosixPath) -> dict[tuple[int, int], Path]:
    """Return the folders of an environment's Python versions."""
    folders = [each for each in tree.path(prefix).glob("lib/python3.*") if each.is_dir()]
    named = [(re.fullmatch(r"python(\d+)\.(\d+)", each.name), each) for each in folders]
    return {(int(name[1]), int(name[2])): each for name, each in named if name is not None}


def _versions_in(libraries: Path, tree: Tree, prefix: PurePosixPath) -> dict[str, str]:
    folders = [libraries / "site-packages", libraries / "dist-packages"]
    if prefix == PurePosixPath("/usr"):
        local = tree.path(PurePosixPath("/usr/local/lib")) / libraries.name / "dist-packages"
        folders += [local, tree.path(PurePosixPath("/usr/lib/python3/dist-packages"))]
    found: dict[str, str] = {}
    for info in (each for folder in folders for each in sorted(folder.glob("*.dist-info"))):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        usual = name.lower().replace("_", "-")
        if usual in _PACKAGES:
            found.setdefault(usual, version)
    return found


def _hub(tree: Tree, unit: HubUnit, wishes: Wishes, named: Named) -> Hub:
    prefix = PurePosixPath(unit.environment.get("TLJH_INSTALL_PREFIX", "/opt/tljh"))
    kind = HubKind.TLJH if "TLJH_INSTALL_PREFIX" in unit.environment else HubKind.PLAIN
    python = named.python or unit.python
    # What systemd fills in before it starts the hub is not known here.
    is_known = not set("$%") & set(str(unit.configuration))
    units_configuration = _resolved(tree, unit.configuration) if is_known else None
    configuration = _resolved(tree, named.configuration or unit.configuration)
    settings, problem = _settings(tree, kind, python, configuration, unit)
    users = wishes.users_python or (prefix / "user/bin/python" if kind is HubKind.TLJH else python)
    return Hub(
        kind=kind,
        unit=unit.name,
        configuration=configuration,
        units_configuration=units_configuration,
        has_configuration=tree.find(configuration).kind is not Kind.NOTHING,
        environment=packages_of(tree, python),
        users=packages_of(tree, users),
        settings=settings,
        settings_problem=problem,
        prefix=prefix,
        account=unit.account,
        is_enabled=any(any(tree.path(at).glob(f"*.wants/{unit.name}")) for at in _UNIT_FOLDERS),
        private_devices=unit.private_devices,
    )


def _settings(
    tree: Tree, kind: HubKind, python: PurePosixPath, configuration: PurePosixPath, unit: HubUnit
) -> tuple[HubSettings | None, str]:
    if tree.root != Path("/"):
        # Nothing of an image is run: what its kind of hub has when nobody changes it.
        return _TLJH if kind is HubKind.TLJH else HubSettings(), ""
    try:
        return read_settings(python, configuration, unit), ""
    except HubSettingsError as error:
        return None, str(error)


def _resolved(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    """Return where a path leads that may be a link, inside the root."""
    for _ in range(_MOST_LINKS):
        found = tree.find(path)
        if found.kind is not Kind.LINK:
            break
        path = PurePosixPath(os.path.normpath(path.parent / found.target))
    return path


def _systemd_version(tree: Tree) -> int | None:
    for program in _SYSTEMCTL:
        if tree.find(program).kind is Kind.NOTHING:
            continue
        if tree.root != Path("/"):
            return max(_versions_of_libraries(tree), default=0)
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, check=False
        )
        found = re.match(r"systemd (\d+)", done.stdout)
        return int(found[1]) if found else 0
    return None


def _versions_of_libraries(tree: Tree) -> Iterator[int]:
    for folder in ("lib", "usr/lib"):
        for library in (tree.root / folder).glob("**/systemd/libsystemd-shared-*.so"):
            found = re.match(r"libsystemd-shared-(\d+)", library.name)
            if found is not None:
                yield int(found[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
