"""Container images made without a container engine: archives as ``ctr`` and others read them."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.kube.cache import alone
from tests.support.kube.programs import kubernetes

PAUSE: Final = "sublet.test/pause:1"
_ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """A plain tar file that is one layer of an image."""

    path: Path
    digest: str
    size: int

    @classmethod
    def of(cls, path: Path) -> "Layer":
        """Read a tar file once for its digest, which is kept beside it."""
        kept = path.with_suffix(".sha256")
        # A run beside this one may be about to keep it.
        with alone(path.with_suffix(".lock")):
            if not kept.exists():
                found = hashlib.sha256()
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        found.update(chunk)
                kept.write_text(found.hexdigest())
            return cls(path, kept.read_text(), path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Start:
    """What an image runs where a pod does not say."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"


def write_image(archive: Path, name: str, layers: Sequence[Layer], start: Start) -> Path:
    """Write an archive that ``ctr images import`` reads."""
    system = {"architecture": _ARCHITECTURE[platform.machine()], "os": "linux"}
    configuration = {
        **system,
        "config": {
            "Cmd": list(start.command),
            "Env": [f"{key}={value}" for key, value in start.environment.items()],
            "WorkingDir": start.folder,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each.digest}" for each in layers]},
    }
    with tarfile.open(archive, "w") as tar:
        about_configuration = _add_json(tar, "config", configuration)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": about_configuration,
            "layers": [_add_layer(tar, each) for each in layers],
        }
        about_manifest = _add_json(tar, "manifest", manifest)
        about_manifest |= {"platform": system, "annotations": {"io.containerd.image.name": name}}
        index = {"schemaVersion": 2, "manifests": [about_manifest]}
        _add_bytes(tar, "index.json", json.dumps(index).encode())
        _add_bytes(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    return archive


def pause_image(folder: Path) -> Path:
    """Write the image of every pod's sandbox: one program, which waits."""
    layer = folder / "pause.tar"
    with tarfile.open(layer, "w") as tar:
        tar.add(kubernetes() / "pause", "pause", filter=_of_root)
    return write_image(folder / "pause-image.tar", PAUSE, [Layer.of(layer)], Start(["/pause"]))


def layer_of_tree(tree: Path, layer: Path, below: str = "") -> Path:
    """Write a folder's files as a layer, below a folder of the image."""
    with tarfile.open(layer, "w") as tar:
        for each in sorted(tree.rglob("*")):
            inside = Path(below.strip("/")) / each.relative_to(tree)
            tar.add(each, str(inside), recursive=False, filter=_of_root)
    return layer


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _add_layer(tar: tarfile.TarFile, layer: Layer) -> dict[str, Any]:
    tar.add(layer.path, f"blobs/sha256/{layer.digest}")
    return {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": f"sha256:{layer.digest}",
        "size": layer.size,
    }


def _add_json(tar: tarfile.TarFile, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    data = json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    _add_bytes(tar, f"blobs/sha256/{digest}", data)
    return {
        "mediaType": f"application/vnd.oci.image.{kind}.v1+json",
        "digest": f"sha256:{digest}",
        "size": len(data),
    }


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
