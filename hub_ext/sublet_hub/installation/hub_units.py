"""The systemd units that run a JupyterHub, read from their files: also in an image's folder."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from string import Template
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
_IN_SHELL: Final = re.compile(
    r"(?:^|[\s/])jupyterhub(?=\s|$)(.*?)(?=\s\d[<>]|[;&|<>]|$)", re.DOTALL
)
"""The hub in a shell's script, and its options."""


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
    options: tuple[str, ...] = ()
    """The hub's own, on its command line."""
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
        environment = _environment(settings.get("Environment", []))
        options = tuple(_filled_in(_options_of(words), environment))
        return HubUnit(
            name=name,
            python=_python_of(tree, words),
            configuration=folder / _configuration_of(options),
            folder=folder,
            account=_last(settings, "User", "root"),
            environment=environment,
            options=options,
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
    return _is_shell(words) and any(map(_IN_SHELL.search, words))


def _is_shell(words: list[str]) -> bool:
    return PurePosixPath("".join(words[:1])).name in {"sh", "bash", "dash", "zsh"}


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


def _options_of(words: list[str]) -> list[str]:
    """Return what stands behind the hub's name in a command, or in a shell's script."""
    if _is_shell(words):
        texts = [text for word in words for text in _IN_SHELL.findall(word)]
        return [option for text in texts for option in _words(text)]
    names = [PurePosixPath(word).name for word in words]
    return words[names.index("jupyterhub") + 1 :]


def _filled_in(words: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Yield words with variables as systemd fills them in; unknown ones stay."""
    for word in words:
        filled = Template(word).safe_substitute(environment)
        yield from _words(filled) if re.fullmatch(r"\$\w+", word) else [filled]


def _configuration_of(options: Sequence[str]) -> PurePosixPath:
    for at, word in enumerate(options):
        name, equals, value = word.partition("=")
        if name in {"-f", "--config", "--JupyterHub.config_file"} and (equals or options[at + 1 :]):
            return PurePosixPath(value if equals else options[at + 1])
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
