"""The programs `systemd-run` and `systemctl`, as far as SystemdSpawner uses them, without systemd.

Units are processes of their own, and a file each in the folder of the programs. Their control
groups are told by systemd's rules for names, and not made.
"""

import json
import sys
from pathlib import Path

_RUN = r"""
import json, os, pathlib, pwd, shlex, subprocess, sys
folder = pathlib.Path(__file__).parent
words, values, properties = sys.argv[1:], {}, []
while words and words[0].startswith("--"):
    word = words.pop(0)
    name, equals, value = word.partition("=")
    value = value if equals else words.pop(0)
    properties.append(value) if name == "--property" else values.__setitem__(name, value)
unit, environment = values["--unit"], {}
for each in properties:
    name, _, value = each.partition("=")
    if name == "EnvironmentFile":
        for line in pathlib.Path(value).read_text().splitlines():
            environment.update([shlex.split(line)[0].split("=", 1)])
with open(folder / "runs", "a") as file:
    file.write(json.dumps({"unit": unit, "properties": properties, **values}) + "\n")
try:
    process = subprocess.Popen(
        words, env=environment, cwd=values["--working-directory"], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
except OSError:
    (folder / f"{unit}.unit").write_text("0")
    sys.exit(1)
(folder / f"{unit}.unit").write_text(str(process.pid))
os._exit(0)
"""

_CONTROL = r"""
import contextlib, os, pathlib, signal, sys, time
folder = pathlib.Path(__file__).parent
verb, name = sys.argv[1], sys.argv[-1].removesuffix(".service")
if verb == "--version":
    print("systemd 255 (pretended)")
    sys.exit(0)
file = folder / f"{name}.unit"
pid = int(file.read_text()) if file.exists() else 0
def runs():
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return pid and stat.rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
if verb == "is-active":
    sys.exit(0 if runs() else 3)
if verb == "is-failed":
    sys.exit(0 if file.exists() and not runs() else 1)
if verb == "show":
    up = runs()
    print("Result=" + ("success" if up or not file.exists() else "exit-code"))
    print(f"MainPID={pid if up else 0}")
    print("ControlGroup=" + (f"/system.slice/{name}.service" if up else ""))
    print("ActiveState=" + ("active" if up else "failed" if file.exists() else "inactive"))
elif verb == "stop":
    for number in (signal.SIGTERM, signal.SIGKILL):
        ends = time.monotonic() + 5
        while runs() and time.monotonic() < ends:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
            time.sleep(0.01)
    file.unlink(missing_ok=True)
elif verb == "reset-failed":
    file.unlink(missing_ok=True)
"""


class PretendedSystemd:
    """The programs, in a folder that goes first in ``PATH``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, text in (("systemd-run", _RUN), ("systemctl", _CONTROL)):
            program = folder / name
            program.write_text(f"#!{sys.executable} -IS\n{text}")
            program.chmod(0o755)

    def runs(self) -> list[dict[str, object]]:
        """Return what was started: each unit's name, options and properties."""
        file = self.folder / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
