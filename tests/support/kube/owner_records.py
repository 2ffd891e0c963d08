"""The chart's own kind, in the tests' cluster: what the spawner records of owners' servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import yaml
from sublet_quota.names.owner_hash import hash_of_name, shard_of

from tests.support.helm_documents import CHART
from tests.support.kube.api import Api, Manifest
from tests.support.kube.fake_controllers import listed
from tests.support.kube.processes import wait_for

RECORDS: Final = ("sublet.dev/v1", "OwnerRecords")
_DEFINITION: Final = CHART / "crds" / "owner-records.yaml"


def define_records(cluster: Api) -> None:
    """Have the cluster know the kind, as helm does before it installs the chart."""
    definition = yaml.safe_load(_DEFINITION.read_text())
    kind = (definition["apiVersion"], definition["kind"])
    if cluster.find(*kind, definition["metadata"]["name"]) is None:
        cluster.create(definition)
    wait_for(lambda: cluster.serves(*RECORDS), 60, "the kind to be served")


def records_of(name: str) -> Manifest:
    """Return an object of the kind, with nothing recorded."""
    version, kind = RECORDS
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def object_of(owner: str, release: str) -> str:
    """Return the name of the object in which an owner is recorded."""
    return f"{release}-{shard_of(hash_of_name(owner))}"


@contextmanager
def all_records_kept(cluster: Api) -> Iterator[None]:
    """Bring back what the block removes of the kind: itself, and all objects of all releases."""
    version, kind = RECORDS
    there = listed(cluster, f"{version}/ownerrecords")
    yield
    define_records(cluster)
    for each in there:
        about = each["metadata"]
        within = cluster.within(about["namespace"])
        if within.find(version, kind, about["name"]) is None:
            kept = {key: about[key] for key in ("name", "labels", "annotations") if key in about}
            owners = {"owners": each["owners"]} if "owners" in each else {}
            within.create({**records_of(about["name"]), "metadata": kept, **owners})
