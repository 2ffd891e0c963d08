"""Folders like a machine's root with a hub on it, as `sublet install --root` meets them."""

import importlib.metadata
import stat
from collections.abc import Sequence
from pathlib import Path

SUBLET = importlib.metadata.version("sublet")
CONFIGURATION = "# what the admin wrote\nc.JupyterHub.base_url = '/'\n"
_CARDS = {"cuda_bindings": "13.0.0", "nvidia_ml_py": "13.580.65"}
_PLAIN_UNIT = """\
[Unit]
Description=JupyterHub

[Service]
ExecStart=/opt/hub/bin/python3 -m jupyterhub \\
    -f /etc/jupyterhub/jupyterhub_config.py
WorkingDirectory=/etc/jupyterhub
"""
_TLJH_UNIT = """\
[Service]
User=root
Restart=always
WorkingDirectory=/opt/tljh/state
PrivateDevices=yes
Environment=TLJH_INSTALL_PREFIX=/opt/tljh
Environment=PATH=/opt/tljh/hub/bin:/usr/bin
ExecStart=/opt/tljh/hub/bin/python3 -m jupyterhub \\
    -f /opt/tljh/tljh/jupyterhub_config.py --upgrade-db
"""


def plain_machine(root: Path) -> Path:
    """A machine with a plain JupyterHub in /opt/hub; return its folder."""
    _base(root)
    environment(root, "opt/hub", {"jupyterhub": "5.3.0", "sublet": SUBLET, **_CARDS})
    write(root, "etc/systemd/system/jupyterhub.service", _PLAIN_UNIT)
    write(root, "etc/jupyterhub/jupyterhub_config.py", CONFIGURATION, 0o640)
    return root


def tljh_machine(root: Path) -> Path:
    """A machine with The Littlest JupyterHub; return its folder."""
    _base(root)
    versions = {"jupyterhub": "5.4.1", "sublet": SUBLET, "jupyterhub_systemdspawner": "1.0.2"}
    environment(root, "opt/tljh/hub", versions | _CARDS)
    environment(root, "opt/tljh/user", {"sublet": SUBLET})
    write(root, "etc/systemd/system/jupyterhub.service", _TLJH_UNIT)
    write(root, "opt/tljh/tljh/jupyterhub_config.py", "# The Littlest JupyterHub's own\n")
    (root / "opt/tljh/config").mkdir()
    return root


def environment(root: Path, prefix: str, versions: dict[str, str], python: str = "3.12") -> None:
    """An environment as an installer leaves it: an interpreter, and what is installed."""
    write(root, f"{prefix}/bin/python3", "", 0o755)
    packages = root / prefix / f"lib/python{python}/site-packages"
    packages.mkdir(parents=True)
    # As conda has it in each of its environments.
    (root / prefix / "lib/python3.1").symlink_to(f"python{python}")
    for name, version in versions.items():
        (packages / f"{name}-{version}.dist-info").mkdir()


def write(root: Path, name: str, text: str, mode: int = 0o644) -> None:
    """A file, and its folders."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def everything_below(root: Path, but: Sequence[str] = ()) -> dict[str, tuple[object, ...]]:
    """All that is below a folder: mode, owner, content or target of each, but for some names."""
    return {
        str(path.relative_to(root)): _what_is_at(path)
        for path in sorted(root.rglob("*"))
        if path.name not in but
    }


def _what_is_at(path: Path) -> tuple[object, ...]:
    of = path.lstat()
    owned = (stat.S_IFMT(of.st_mode), of.st_uid, of.st_gid)
    if path.is_symlink():
        return (*owned, str(path.readlink()))
    mode = stat.S_IMODE(of.st_mode)
    return (*owned, mode, path.read_bytes()) if path.is_file() else (*owned, mode)


def _base(root: Path) -> None:
    write(root, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    write(root, "etc/group", "root:x:0:\n")
    write(root, "etc/shadow", "root:*:19000:0:99999:7:::\n", 0o640)
    write(root, "etc/gshadow", "root:*::\n", 0o640)
    write(root, "etc/login.defs", "SYS_UID_MIN 100\nSYS_UID_MAX 999\nUSERGROUPS_ENAB yes\n")
    write(root, "usr/bin/systemctl", "", 0o755)
    write(root, "usr/lib/systemd/libsystemd-shared-255.so", "")
    (root / "var/lib").mkdir(parents=True)
