"""The pods that slices come to, under each backend and beside the admin's own settings."""

from typing import Any

import kubernetes_validate
import pytest
import yaml
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import PodStarted
from sublet_spawner.backends import BACKENDS
from sublet_spawner.backends.reading import read_settings
from sublet_spawner.backends.records import CONTAINER
from sublet_spawner.device_claims import DeviceClaims
from sublet_spawner.errors import PodError
from sublet_spawner.pod_writing import bytes_of
from traitlets import TraitError

from tests.spawner.pod_cases import CASES, FOLDER, SETTINGS, Case, as_text, pod_of
from tests.support.kube_spawner import a_kube_spawner, a_lease, environment_in, pod_with, server_in

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_cluster")]

GIB = 1024**3
KUBERNETES = ("1.36", "1.37")


async def a_pod(lease: dict[str, Any] | None = None, **of_kubespawner: Any) -> dict[str, Any]:
    settings = {**SETTINGS, "KubeSpawner": {**SETTINGS["KubeSpawner"], **of_kubespawner}}
    return await pod_with(a_kube_spawner(settings), a_lease(**(lease or {})))


@pytest.mark.parametrize("name", CASES)
async def test_a_slice_comes_to_the_pod_that_is_kept_as_a_file(name: str) -> None:
    kept = (FOLDER / f"{name}.yaml").read_text()
    assert as_text(await pod_of(CASES[name])) == kept


async def test_no_kept_pod_is_without_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(CASES)
    assert {case.backend for case in CASES.values()} == set(BACKENDS)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", CASES)
async def test_kubernetes_would_take_each_kept_pod(name: str, version: str) -> None:
    pod = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    kubernetes_validate.validate(pod, version, strict=True)


@pytest.mark.parametrize("name", ["dra", "dra-whole-gpu"])
async def test_kubernetes_would_take_the_claims_of_a_pod(name: str) -> None:
    case = CASES[name]
    backend = BACKENDS[case.backend]
    fields = backend.write(a_lease(), read_settings(backend, case.settings))
    claims = DeviceClaims("0123", fields.claims, print)
    (claim,) = fields.claims
    body = claims._body(claim, PodStarted(pod_uid="u", namespace="hub", pod_name="jupyter-ada"))
    kubernetes_validate.validate(body, "1.36", strict=True)
    assert body["metadata"]["name"] == "sublet-0123-gpu"
    assert body["metadata"]["ownerReferences"][0]["uid"] == "u"


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)
async def test_each_backend_tells_the_owner_what_a_slice_is_sure_of(backend: Any) -> None:
    guarantees = backend.guarantees(backend.settings_type())
    memory, compute, lent = guarantees.sentences()
    assert memory.startswith("Memory: ")
    assert compute.startswith("Compute: ")
    assert lent.startswith("While it is idle" if guarantees.lendable else "It is not lent")


async def test_only_backends_under_which_suspending_was_seen_to_work_are_lendable() -> None:
    lendable = {
        name
        for name, backend in BACKENDS.items()
        if backend.guarantees(backend.settings_type()).lendable
    }
    assert lendable == {"time-slicing", "none"}


async def test_a_slice_that_no_mig_profile_holds_is_refused() -> None:
    mig = BACKENDS["mig"]
    refusal = mig.write(a_lease(memory_mib=90000), mig.settings_type())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.LARGER_THAN_GPU
    assert "7g.80gb" in refusal.message


async def test_much_compute_takes_a_larger_mig_profile_than_its_memory_needs() -> None:
    mig = BACKENDS["mig"]
    fields = mig.write(a_lease(memory_mib=1024, compute_milli=400), mig.settings_type())
    assert fields.limits == {"nvidia.com/mig-3g.40gb": "1"}


async def test_a_fraction_of_a_card_is_never_less_than_was_granted() -> None:
    kai = BACKENDS["kai"]
    settings = read_settings(kai, {"unit": "fraction"})
    fields = kai.write(a_lease(memory_mib=1, gpu_memory_mib=81920), settings)
    assert fields.annotations == {"gpu-fraction": "0.01"}
    unknown = kai.write(a_lease(gpu_memory_mib=0), settings)
    assert isinstance(unknown, Refusal)


@pytest.mark.parametrize(
    ("limit", "request_", "expected"),
    [
        ("4G", "2G", ({"memory": str(14 * GIB)}, {"memory": str(12 * GIB)})),
        ("4G", None, ({"memory": str(14 * GIB)}, {})),
        (None, "2G", ({}, {"memory": str(12 * GIB)})),
        (None, None, ({}, {"memory": str(10 * GIB)})),
    ],
)
async def test_limit_and_request_of_memory_both_cover_what_a_suspend_moves(
    limit: str | None, request_: str | None, expected: tuple[Any, Any]
) -> None:
    pod = await a_pod(mem_limit=limit, mem_guarantee=request_, cpu_guarantee=None)
    resources = server_in(pod)["resources"]
    limits = {k: v for k, v in resources["limits"].items() if k == "memory"}
    assert (limits, resources["requests"]) == expected


async def test_the_memory_of_a_slice_that_is_never_suspended_is_the_admins_alone() -> None:
    pod = await pod_of(Case("mps"))
    assert server_in(pod)["resources"]["limits"]["memory"] == 4 * GIB


async def test_resources_that_replace_kubespawners_do_not_replace_the_slice() -> None:
    pod = await a_pod(extra_container_config={"resources": {"limits": {"memory": "1Gi"}}})
    limits = server_in(pod)["resources"]["limits"]
    assert limits == {"memory": str(11 * GIB), "nvidia.com/gpu": "1"}


async def test_the_admins_own_limits_and_requests_stay_beside_the_slice() -> None:
    pod = await a_pod(
        extra_resource_limits={"example.com/fpga": "2", "nvidia.com/gpu": "4"},
        extra_resource_guarantees={"example.com/fpga": "2", "nvidia.com/gpu": "4"},
    )
    resources = server_in(pod)["resources"]
    assert resources["limits"]["example.com/fpga"] == "2"
    assert resources["limits"]["nvidia.com/gpu"] == "1"
    assert resources["requests"]["example.com/fpga"] == "2"
    assert "nvidia.com/gpu" not in resources["requests"]


async def test_the_slices_node_is_required_in_each_of_the_admins_alternatives() -> None:
    alternatives = [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]} for zone in "ab"
    ]
    preferred = [{"weight": 1, "preference": alternatives[0]}]
    pod = await a_pod(node_affinity_required=alternatives, node_affinity_preferred=preferred)
    affinity = pod["spec"]["affinity"]["nodeAffinity"]
    required = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchExpressions"][0]["values"] for term in required] == [["a"], ["b"]]
    assert [term["matchFields"][0]["values"] for term in required] == [["gpu-node-1"]] * 2
    assert affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] == 1


async def test_the_admins_own_volumes_labels_and_selectors_stay() -> None:
    pod = await a_pod(
        extra_labels={"team": "x"},
        extra_annotations={"note": "y"},
        node_selector={"disk": "ssd"},
        scheduler_name="mine",
    )
    assert pod["metadata"]["labels"]["team"] == "x"
    assert pod["metadata"]["annotations"]["note"] == "y"
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["spec"]["schedulerName"] == "mine"
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["home", "sublet-agent"]


async def test_the_server_sees_only_the_card_that_the_cluster_shows_it() -> None:
    variables = environment_in(await a_pod())
    assert "CUDA_VISIBLE_DEVICES" not in variables
    assert "NVIDIA_VISIBLE_DEVICES" not in variables
    assert "SUBLET_GPU_ID" not in variables


async def test_what_frameworks_were_told_by_the_admin_is_added_to_and_not_replaced() -> None:
    environment = {"PYTORCH_ALLOC_CONF": "expandable_segments:True", "FROM": {"value": "x"}}
    variables = environment_in(await a_pod(environment=environment))
    assert variables["PYTORCH_ALLOC_CONF"] == (
        "expandable_segments:True,per_process_memory_fraction:0.1187"
    )
    assert variables["FROM"] == "x"


async def test_where_programs_see_only_their_part_no_fraction_of_it_is_set() -> None:
    own = {"KubeSliceSpawner": {"slice_backend": "hami"}}
    environment = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
    settings = {**SETTINGS, **own, "KubeSpawner": {"environment": environment}}
    variables = environment_in(await pod_with(a_kube_spawner(settings), a_lease()))
    assert variables["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert "XLA_CLIENT_MEM_FRACTION" not in variables
    assert variables["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


async def test_a_server_without_a_slice_is_shown_no_card() -> None:
    spawner = a_kube_spawner(SETTINGS)
    spawner._go_without("You chose a server without a GPU")
    pod = spawner.api.api_client.sanitize_for_serialization(await spawner.get_pod_manifest())
    variables = environment_in(pod)
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["home"]
    assert "nvidia.com/gpu" not in server_in(pod)["resources"]["limits"]


async def test_a_pod_without_the_servers_container_is_an_error_that_says_so() -> None:
    with pytest.raises(PodError, match=CONTAINER):
        await a_pod(extra_container_config={"name": "other"})


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ({"nothing": {}}, "backends are time-slicing"),
        ({"kai": {"que": "x"}}, "did you mean 'queue'"),
        ({"kai": {"sharing_mode": "much"}}, "NvFractions"),
        ({"mig": {"profiles": ["big"]}}, "1g.10gb"),
        ({"mig": {"profiles": []}}, "empty"),
        ({"hami": {"priority": "first"}}, "priority"),
    ],
)
async def test_settings_that_no_backend_knows_are_refused_when_the_hub_starts(
    written: dict[str, Any], part: str
) -> None:
    with pytest.raises(TraitError, match=part):
        a_kube_spawner({"KubeSliceSpawner": {"slice_backend_settings": written}})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (5, 5),
        ("5", 5),
        ("1Ki", 1024),
        ("1k", 1000),
        ("4Gi", 4 * GIB),
        ("1.5Gi", 3 * GIB // 2),
        ("4G", 4 * 10**9),
        ("1e3", 1000),
        ("1E3", 1000),
        ("2E", 2 * 10**18),
        ("2Ei", 2 * 1024**6),
        ("5000m", 5),
    ],
)
async def test_amounts_of_memory_are_read_as_kubernetes_reads_them(
    written: Any, expected: int
) -> None:
    assert bytes_of(written) == expected


@pytest.mark.parametrize("written", ["", "much", "4 Gi", "-1", "1gb", "1e", None])
async def test_what_is_no_amount_of_memory_is_an_error(written: Any) -> None:
    with pytest.raises(PodError, match="give bytes"):
        bytes_of(written)
