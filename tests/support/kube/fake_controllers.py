"""What the fakes of other projects' controllers share: their kinds, and a thread that looks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import requests
import yaml

from tests.support.kube.api import Api, Manifest, RefusedError
from tests.support.kube.processes import wait_for

_LOOK_EVERY_S: Final = 0.3


@contextmanager
def acting(api: Api, definitions: Path, look: Callable[[Api], None]) -> Iterator[None]:
    """Define kinds, and look at the cluster again and again while the block lasts."""
    made = yaml.safe_load(definitions.read_text())["items"]
    for each in made:
        api.create(each)
    kinds = [kind for each in made for kind in _kinds_of(each)]
    wait_for(lambda: all(api.serves(*kind) for kind in kinds), 60, "the fake's kinds")
    stopped = threading.Event()
    thread = threading.Thread(target=_look_until, args=(api, look, stopped))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        for each in reversed(made):
            api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])


def listed(api: Api, path: str) -> list[Manifest]:
    """Return all objects of a kind, each with what it is; none where the kind is not served."""
    try:
        found = api.call("GET", f"/apis/{path}")
    except RefusedError as refused:
        if refused.status == 404:
            return []
        raise
    kind, version = found["kind"].removesuffix("List"), found["apiVersion"]
    return [{**each, "kind": kind, "apiVersion": version} for each in found["items"]]


def true_conditions(found: Manifest) -> set[str]:
    """Return the conditions that an object says are so."""
    conditions = (found.get("status") or {}).get("conditions") or ()
    return {str(each["type"]) for each in conditions if each["status"] == "True"}


def _kinds_of(definition: Manifest) -> list[tuple[str, str]]:
    if definition["kind"] != "CustomResourceDefinition":
        return []
    spec = definition["spec"]
    kind = spec["names"]["kind"]
    return [(f"{spec['group']}/{each['name']}", kind) for each in spec["versions"]]


def _look_until(api: Api, look: Callable[[Api], None], stopped: threading.Event) -> None:
    while not stopped.wait(_LOOK_EVERY_S):
        # Closed after each look: tests wait until no connection of their own is open.
        plane = api.plane.with_own_connections()
        # An object may be changed or gone meanwhile: the next look sees it.
        with plane.session, suppress(RefusedError, requests.RequestException):
            look(replace(api, plane=plane))
