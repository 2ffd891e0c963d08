"""The systemd units that run a JupyterHub, read from their files: also in an image's folder."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from sublet_hub.installation.changes import Kind
from sublet_hub.installation.tree import Tree

_FOLDERS: Final = tuple(
    PurePosixPath(each)
    for each in (
        "/etc/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    )
)
_YES: Final = frozenset({"yes", "true", "on", "1"})
_PREFIXES: Final = "@-:+!"
"""What systemd allows before the path of a program."""


@dataclass(frozen=True, slots=True)
class HubUnit:
    """A unit that runs a JupyterHub."""

    name: str
    python: PurePosixPath
    configuration: PurePosixPath
    folder: PurePosixPath
    """Its working directory."""
    account: str = "root"
    environment: dict[str, str] = field(default_factory=dict)
    private_devices: bool = False


def hub_units(tree: Tree) -> list[HubUnit]:
    """Return the units that run a JupyterHub, each name once: what an admin wrote comes first."""
    found: dict[str, HubUnit] = {}
    for folder in _FOLDERS:
        for file in sorted(tree.path(folder).glob("*.service")):
            if file.name in found or not file.is_file():
                continue
            texts = [file.read_text(errors="replace"), *_drop_ins(tree, file.name)]
            unit = _unit(tree, file.name, _service_settings(texts))
            if unit is not None:
                found[file.name] = unit
    return list(found.values())


def _drop_ins(tree: Tree, name: str) -> Iterator[str]:
    files: dict[str, Path] = {}
    for folder in _FOLDERS:
        for file in tree.path(folder / f"{name}.d").glob("*.conf"):
            files.setdefault(file.name, file)
    for file_name in sorted(files):
        yield files[file_name].read_text(errors="replace")


def _service_settings(texts: list[str]) -> dict[str, list[str]]:
    """Return the ``[Service]`` settings of a unit's files; an empty value forgets those before."""
    settings: dict[str, list[str]] = {}
    section = ""
    for line in "\n".join(texts).replace("\\\n", " ").splitlines():
        text = line.strip()
        if not text or text.startswith(("#", ";")):
            continue
        if text.startswith("["):
            section = text
        elif section == "[Service]" and "=" in text:
            key, _, value = (part.strip() for part in text.partition("="))
            if value:
                settings.setdefault(key, []).append(value)
            else:
                settings.pop(key, None)
    return settings


def _unit(tree: Tree, name: str, settings: dict[str, list[str]]) -> HubUnit | None:
    for command in settings.get("ExecStart", []):
        words = _words(command.lstrip(_PREFIXES))
        if not _runs_hub(words):
            continue
        folder = PurePosixPath(_last(settings, "WorkingDirectory", "/").lstrip("-"))
        if not folder.is_absolute():
            folder = PurePosixPath("/root")
        return HubUnit(
            name=name,
            python=_python_of(tree, words),
            configuration=folder / _configuration_of(words),
            folder=folder,
            account=_last(settings, "User", "root"),
            environment=_environment(settings.get("Environment", [])),
            private_devices=_last(settings, "PrivateDevices", "no").lower() in _YES,
        )
    return None


def _runs_hub(words: list[str]) -> bool:
    """Whether a command starts the hub: its program, its module, or a shell with either."""
    names = [PurePosixPath(word).name for word in words]
    if names[:1] == ["jupyterhub"] or names[1:2] == ["jupyterhub"]:
        return True
    if "-m" in words and words[words.index("-m") + 1 :][:1] == ["jupyterhub"]:
        return True
    is_shell = bool(names) and names[0] in {"sh", "bash", "dash", "zsh"}
    return is_shell and any(re.search(r"(^|[\s/])jupyterhub(\s|$)", word) for word in words)


def _python_of(tree: Tree, words: list[str]) -> PurePosixPath:
    """Return the interpreter of a command; of a script, the one in its first line."""
    program = PurePosixPath(words[0])
    if program.name.startswith("python"):
        return program
    found = tree.find(program)
    if found.kind is Kind.LINK:
        program = PurePosixPath(program.parent / found.target)
        found = tree.find(program)
    first = found.content.split(b"\n", 1)[0].decode(errors="replace")
    interpreter = first.removeprefix("#!").strip().split(" ")[0]
    if first.startswith("#!") and PurePosixPath(interpreter).name.startswith("python"):
        return PurePosixPath(interpreter)
    return program.parent / "python3"


def _configuration_of(words: list[str]) -> PurePosixPath:
    for at, word in enumerate(words):
        if word in {"-f", "--config"} and words[at + 1 :]:
            return PurePosixPath(words[at + 1])
        for option in ("--config=", "-f=", "--JupyterHub.config_file="):
            if word.startswith(option):
                return PurePosixPath(word.removeprefix(option))
    return PurePosixPath("jupyterhub_config.py")


def _environment(lines: list[str]) -> dict[str, str]:
    pairs = (word.partition("=") for line in lines for word in _words(line))
    return {name: value for name, equals, value in pairs if equals}


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _last(settings: dict[str, list[str]], key: str, otherwise: str) -> str:
    return settings.get(key, [otherwise])[-1]
