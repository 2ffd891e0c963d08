"""What is said to keep a memory cap and a compute share stands in the pod that asks for it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.reasons.share_kept import BY_ENGINES, ShareKept
from sublet_spawner.backends import BACKENDS
from sublet_spawner.backends.reading import read_settings
from sublet_spawner.backends.records import KeptBy

from tests.spawner.pod_cases import CASES, Case, pod_of
from tests.support.kube_spawner import a_lease, environment_in, server_in

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_cluster")]

ON_REAL_CARDS = {name: case for name, case in CASES.items() if not case.lease.get("simulated")}
MIB, PERCENT = "10240", "13"
"""Of the lease, as engines are asked for them."""


def limits(pod: Mapping[str, Any]) -> dict[str, Any]:
    return dict(server_in(pod)["resources"]["limits"])


def annotations(pod: Mapping[str, Any]) -> dict[str, str]:
    return dict(pod["metadata"]["annotations"])


ASKED_OF: Mapping[tuple[str, CapKeeper | ShareKept], Callable[[Any], bool]] = {
    ("hami", CapKeeper.HAMI): lambda pod: limits(pod)["nvidia.com/gpumem"] == MIB,
    ("hami", ShareKept.BY_HAMI): lambda pod: limits(pod)["nvidia.com/gpucores"] == PERCENT,
    ("volcano", CapKeeper.VOLCANO): lambda pod: limits(pod)["volcano.sh/vgpu-memory"] == MIB,
    ("volcano", ShareKept.BY_VOLCANO): lambda pod: limits(pod)["volcano.sh/vgpu-cores"] == PERCENT,
    ("mps", CapKeeper.MPS): lambda pod: (
        environment_in(pod)["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == f"0={MIB}M"
    ),
    ("mps", ShareKept.BY_MPS): lambda pod: (
        environment_in(pod)["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == PERCENT
    ),
    ("mig", CapKeeper.MIG): lambda pod: any(
        name.startswith("nvidia.com/mig-") for name in limits(pod)
    ),
    ("mig", ShareKept.BY_MIG): lambda pod: any(
        name.startswith("nvidia.com/mig-") for name in limits(pod)
    ),
    ("kai", CapKeeper.HAMI): lambda pod: (
        annotations(pod).get("gpu-memory", MIB) == MIB
        and annotations(pod).get("gpu-fraction", "0.13") == "0.13"
        and {"gpu-memory", "gpu-fraction"} & annotations(pod).keys()
    ),
    ("kai", CapKeeper.DRIVER): lambda pod: (
        annotations(pod)["nvidia.com/container.notebook.gpu-memory.limit"] == f"{MIB}Mi"
    ),
    ("time-slicing", CapKeeper.DRIVER): lambda pod: (
        environment_in(pod)["NVIDIA_GPU_MEMORY_LIMITS"] == MIB
    ),
    ("none", CapKeeper.DRIVER): lambda pod: environment_in(pod)["NVIDIA_GPU_MEMORY_LIMITS"] == MIB,
}
"""What a pod asks of an engine that is said to keep something."""
OF_COMPUTE = (
    *("nvidia.com/gpucores", "volcano.sh/vgpu-cores", "nvidia.com/mig-"),
    "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
)
"""What pods ask engines for compute by."""
OF_MEMORY = (
    *("nvidia.com/gpumem", "volcano.sh/vgpu-memory", "nvidia.com/mig-"),
    *("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "NVIDIA_GPU_MEMORY_LIMITS"),
)
"""What pods ask engines to keep memory by; KAI counts by the same words, whoever keeps it."""


def told_of(case: Case) -> KeptBy:
    backend = BACKENDS[case.backend]
    settings = read_settings(backend, case.settings)
    fields = backend.write(a_lease(**case.lease), settings)
    guarantees = fields.guarantees or backend.guarantees(settings)
    kept_by: KeptBy = guarantees.kept_by
    return kept_by


def asked_in(pod: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    there = (*limits(pod), *environment_in(dict(pod)))
    return [each for each in there if each.startswith(names)]


@pytest.mark.parametrize("name", ON_REAL_CARDS)
async def test_what_keeps_the_memory_cap_is_asked_for_it_in_the_pod(name: str) -> None:
    case = ON_REAL_CARDS[name]
    pod, kept_by = await pod_of(case), told_of(case)
    assert kept_by.cap
    for keeper in kept_by.cap:
        match keeper:
            case CapKeeper.FRAMEWORK:
                variables = environment_in(pod)
                assert "per_process_memory_fraction" in variables["PYTORCH_ALLOC_CONF"]
                assert variables["XLA_CLIENT_MEM_FRACTION"]
            case CapKeeper.WATCH:
                assert environment_in(pod)["SUBLET_AGENT_SOCKET"]
            case _:
                assert ASKED_OF[ON_REAL_CARDS[name].backend, keeper](pod)
    if kept_by.cap == (CapKeeper.FRAMEWORK, CapKeeper.WATCH):
        assert asked_in(pod, OF_MEMORY) == []


@pytest.mark.parametrize("name", ON_REAL_CARDS)
async def test_what_keeps_the_compute_share_is_asked_for_it_in_the_pod(name: str) -> None:
    case = ON_REAL_CARDS[name]
    pod, kept_by = await pod_of(case), told_of(case)
    if kept_by.compute is None:
        assert asked_in(pod, OF_COMPUTE) == []
    else:
        assert kept_by.compute in BY_ENGINES
        assert ASKED_OF[case.backend, kept_by.compute](pod)


async def test_each_engine_that_may_be_named_is_one_that_pods_are_written_for() -> None:
    named = {told_of(case).compute for case in ON_REAL_CARDS.values()}
    assert named - {None} == BY_ENGINES
    keepers = {keeper for case in ON_REAL_CARDS.values() for keeper in told_of(case).cap}
    assert keepers == set(CapKeeper) - {CapKeeper.SIMULATED}


async def test_kai_keeps_no_compute_and_memory_only_by_whom_its_mode_names() -> None:
    told = {
        mode: told_of(Case("kai", {"sharing_mode": mode}))
        for mode in ("NonMemoryEnforced", "HamiCore", "NvFractions")
    }
    assert {mode: kept_by.cap for mode, kept_by in told.items()} == {
        "NonMemoryEnforced": (CapKeeper.FRAMEWORK, CapKeeper.WATCH),
        "HamiCore": (CapKeeper.HAMI,),
        "NvFractions": (CapKeeper.DRIVER,),
    }
    assert {kept_by.compute for kept_by in told.values()} == {None}


@pytest.mark.parametrize("mode", ["HamiCore", "NvFractions", "NonMemoryEnforced"])
async def test_of_a_whole_card_no_library_or_driver_is_said_to_keep_anything(mode: str) -> None:
    case = Case("kai", {"sharing_mode": mode, "unit": "fraction"}, {"memory_mib": 81919})
    pod = await pod_of(case)
    assert limits(pod)["nvidia.com/gpu"] == "1"
    assert not [name for name in annotations(pod) if "gpu-memory" in name or "fraction" in name]
    assert told_of(case) == KeptBy((CapKeeper.FRAMEWORK, CapKeeper.WATCH))


async def test_a_mig_profile_has_as_much_compute_as_the_slice() -> None:
    mig = BACKENDS["mig"]
    for compute_milli, profile in ((125, "1g.10gb"), (400, "3g.40gb"), (900, "7g.80gb")):
        fields = mig.write(a_lease(compute_milli=compute_milli), mig.settings_type())
        assert list(fields.limits) == [f"nvidia.com/mig-{profile}"]


@pytest.mark.parametrize(
    ("name", "kept_by"),
    [
        ("kai-nv-fractions", (CapKeeper.DRIVER,)),
        ("kai-nv-fractions-fraction", (CapKeeper.WATCH,)),
        ("kai-nv-fractions-whole-gpu", (CapKeeper.FRAMEWORK, CapKeeper.WATCH)),
    ],
)
async def test_the_driver_is_said_to_keep_a_cap_only_where_a_limit_is_asked_for(
    name: str, kept_by: tuple[CapKeeper, ...]
) -> None:
    case = CASES[name]
    assert told_of(case).cap == kept_by
    asked = [key for key in annotations(await pod_of(case)) if key.endswith("gpu-memory.limit")]
    assert bool(asked) == (CapKeeper.DRIVER in kept_by)


async def test_what_is_offered_under_kai_by_parts_of_a_card_names_no_driver_as_certain() -> None:
    backend = BACKENDS["kai"]
    settings = read_settings(backend, {"sharing_mode": "NvFractions", "unit": "fraction"})
    assert backend.guarantees(settings).kept_by.cap == (CapKeeper.WATCH,)
    assert "where KAI's operator limits" in backend.guarantees(settings).memory
