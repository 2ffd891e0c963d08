"""Write what Sublet is made of as CycloneDX documents (JSON, 1.6), from the locks alone.

A document for each lock of pip's, and one for each part that npm builds: JupyterLab's extension,
console (both from the workspace's lock), and proxy. The same locks give the same bytes: there is no
date and no random number in them. What only a development needs (it builds, and is not in what is
built) has the scope ``excluded``.
"""

import argparse
import base64
import json
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from locked import FOLDER, LockError, read, wanted
from npm_lock import led_to

ROOT: Final = Path(__file__).parents[2]
NPM: Final = {
    "front-ends": ROOT / "package-lock.json",
    "proxy": FOLDER / "proxy" / "package-lock.json",
}
"""Npm's locks."""
BUILT_BY_NPM: Final = {
    "labextension": ("front-ends", "labextension"),
    "console": ("front-ends", "hub_ext/console"),
    "proxy": ("proxy", ""),
}
"""The parts, each with its lock and its folder in there."""
PYTHONS: Final = ("3.11.0", "3.11.99", "3.12.99", "3.13.99", "3.14.99")
"""Those that may run Sublet; where a condition names a patch of one, its oldest and newest."""
MACHINES: Final = ("x86_64", "aarch64")
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "sublet.dev")


def environments() -> Iterator[dict[str, str]]:
    """Yield what markers see on each machine that Sublet runs on."""
    for python in PYTHONS:
        for machine in MACHINES:
            yield {
                "implementation_name": "cpython",
                "implementation_version": python,
                "os_name": "posix",
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "platform_release": "",
                "platform_system": "Linux",
                "platform_version": "",
                "python_full_version": python,
                "python_version": python.rpartition(".")[0],
                "sys_platform": "linux",
            }


def of_pypi(text: str) -> Iterator[dict[str, Any]]:
    """Yield the components that a lock's text names, but those of other systems."""
    locked = read(text)
    used = {
        (each.name, each.version): each
        for environment in environments()
        for each in wanted(locked, environment).values()
    }
    for (name, version), each in sorted(used.items()):
        hashes = [{"alg": "SHA-256", "content": found} for found in sorted(each.hashes)]
        yield _component(name, str(version), f"pkg:pypi/{name}@{version}", hashes)


def of_npm(text: str, folder: str = "") -> Iterator[dict[str, Any]]:
    """Yield the components that a folder of an npm lock's text leads to."""
    found: dict[str, dict[str, Any]] = {}
    packages = json.loads(text)["packages"]
    for path, needed in led_to(packages, folder):
        told = packages[path]
        name = told.get("name") or path.rpartition("node_modules/")[2]
        if "integrity" not in told:
            message = f"{path} has no hash in npm's lock"
            raise LockError(message)
        algorithm, _, digest = told["integrity"].partition("-")
        content = base64.b64decode(digest).hex()
        hashes = [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": content}]
        purl = f"pkg:npm/{quote(name, safe='/')}@{told['version']}"
        one = _component(name, told["version"], purl, hashes)
        one["scope"] = "required" if needed else "excluded"
        # The same package may lie in several places: needed in one of them, it is needed.
        if purl not in found or one["scope"] == "required":
            found[purl] = one
    yield from (found[purl] for purl in sorted(found))


def document(name: str, components: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the document of what one part of Sublet is made of."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    told = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"sublet-{name}@{version}",
                "name": f"sublet-{name}",
                "version": version,
            }
        },
        "components": list(components),
    }
    number = uuid.uuid5(_NAMESPACE, json.dumps(told))
    return {**told, "serialNumber": f"urn:uuid:{number}"}


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every document with its name."""
    for lock in sorted(FOLDER.glob("*.txt")):
        yield lock.stem, document(lock.stem, of_pypi(lock.read_text()))
    for name, (lock, folder) in BUILT_BY_NPM.items():
        yield name, document(name, of_npm(NPM[lock].read_text(), folder))


def _component(name: str, version: str, purl: str, hashes: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": hashes,
    }


def main() -> None:
    """Write all documents into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True)
    into: Path = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    for name, told in documents():
        path = into / f"sublet-{name}.cdx.json"
        path.write_text(json.dumps(told, indent=1) + "\n")
        print(f"{path}: {len(told['components'])} components")


if __name__ == "__main__":
    main()
