from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.wire.api import Lease
from sublet_quota.wire.environment import (
    LEAST_FRACTION,
    SliceEndpoints,
    format_fraction,
    memory_fraction,
    no_gpu_environment,
    resized_environment,
    slice_environment,
    use_card,
    without_fractions,
)

ENDPOINTS = SliceEndpoints("/run/a.sock", "http://hub/services/sublet", "/run/gpus.sock")


def a_lease(memory_mib: int = 8192, gpu_memory_mib: int = 81920, **changes) -> Lease:
    values = {
        "slice_id": "slice-1",
        "owner": "ada",
        "server": "",
        "holder": "notebook",
        "pool": "interactive",
        "node": "node-1",
        "gpu_id": "GPU-1234",
        "gpu_index": 0,
        "gpu_type": "NVIDIA H100 80GB HBM3",
        "gpu_memory_mib": gpu_memory_mib,
        "simulated": False,
        "memory_mib": memory_mib,
        "compute_milli": 250,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Lease(**{**values, **changes})


def test_a_slice_of_a_real_gpu_has_these_variables():
    assert slice_environment(a_lease(), ENDPOINTS) == {
        "SUBLET_SLICE_ID": "slice-1",
        "SUBLET_AGENT_SOCKET": "/run/a.sock",
        "SUBLET_SERVICE_URL": "http://hub/services/sublet/",
        "SUBLET_GPU_ID": "GPU-1234",
        "SUBLET_MEMORY_MIB": "8192",
        "SUBLET_COMPUTE_MILLI": "250",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "GPU-1234",
        "PYTORCH_ALLOC_CONF": "per_process_memory_fraction:0.0937",
        "XLA_CLIENT_MEM_FRACTION": "0.0937",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }


def test_a_slice_of_a_simulated_gpu_sees_no_real_one():
    variables = slice_environment(a_lease(simulated=True, gpu_id="SIM-1"), ENDPOINTS)
    assert variables["SUBLET_SIMULATED_SOCKET"] == "/run/gpus.sock"
    assert variables["SUBLET_GPU_ID"] == "SIM-1"
    assert variables["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(
    ("cap_mib", "gpu_mib", "fraction"),
    [
        pytest.param(8192, 81920, 0.0937, id="the context is taken off, and the rest rounded down"),
        pytest.param(81920, 81920, 0.9937, id="also from a whole GPU"),
        pytest.param(99999, 81920, 0.9937, id="a cap above the GPU's memory is the GPU's memory"),
        pytest.param(512, 81920, LEAST_FRACTION, id="a cap of one context leaves the least"),
        pytest.param(1, 81920, LEAST_FRACTION, id="a cap below a context too"),
        pytest.param(8192, 0, LEAST_FRACTION, id="a GPU that says nothing of its memory"),
    ],
)
def test_the_fraction_is_the_cap_less_the_context(cap_mib, gpu_mib, fraction):
    assert memory_fraction(a_lease(cap_mib, gpu_mib)) == fraction


@given(cap=st.integers(1, 200_000), gpu=st.integers(1, 200_000), context=st.integers(0, 4096))
def test_the_fraction_and_the_context_are_never_more_than_the_cap(cap, gpu, context):
    fraction = memory_fraction(a_lease(cap, gpu), context)
    assert 0 < fraction <= 1
    if fraction > LEAST_FRACTION:
        assert fraction * gpu + context <= min(cap, gpu) + 1e-6
    assert float(format_fraction(fraction)) == fraction


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("GLIBC_TUNABLES", "glibc.malloc.check=3", "glibc.malloc.check=3:glibc.malloc.hugetlb=1"),
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=2", "glibc.malloc.hugetlb=2"),
        ("GLIBC_TUNABLES", "", "glibc.malloc.hugetlb=1"),
        (
            "PYTORCH_ALLOC_CONF",
            "expandable_segments:True",
            "expandable_segments:True,per_process_memory_fraction:0.0937",
        ),
        (
            "PYTORCH_ALLOC_CONF",
            "per_process_memory_fraction:0.9,max_split_size_mb:64",
            "max_split_size_mb:64,per_process_memory_fraction:0.0937",
        ),
        (
            "PYTORCH_ALLOC_CONF",
            "roundup_power2_divisions:[256:1,512:2],x:y",
            "roundup_power2_divisions:[256:1,512:2],x:y,per_process_memory_fraction:0.0937",
        ),
    ],
)
def test_what_is_set_already_is_added_to(name, before, after):
    assert slice_environment(a_lease(), ENDPOINTS, {name: before})[name] == after


def test_the_older_variable_of_pytorch_is_left_alone_but_its_settings_are_taken_over():
    before = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    variables = slice_environment(a_lease(), ENDPOINTS, before)
    assert "PYTORCH_CUDA_ALLOC_CONF" not in variables
    assert variables["PYTORCH_ALLOC_CONF"].startswith("expandable_segments:True,")


def test_a_server_without_a_slice_sees_no_gpu_and_can_say_why():
    assert no_gpu_environment("http://hub/services/sublet", "You chose so") == {
        "SUBLET_SERVICE_URL": "http://hub/services/sublet/",
        "SUBLET_NO_GPU_REASON": "You chose so",
        "CUDA_VISIBLE_DEVICES": "",
    }


def test_who_was_told_no_fraction_is_told_none_with_another_size() -> None:
    before = {"PYTORCH_ALLOC_CONF": "max_split_size_mb:64", "OTHER": "x"}
    sizes = {"SUBLET_MEMORY_MIB": "20480", "SUBLET_COMPUTE_MILLI": "250"}
    assert resized_environment(20480, 250, 81920, before) == sizes


def test_programs_that_see_their_cap_alone_are_told_no_fraction_of_it() -> None:
    variables = slice_environment(a_lease(), ENDPOINTS)
    left_out = variables.keys() - without_fractions(variables).keys()
    assert left_out == {"PYTORCH_ALLOC_CONF", "XLA_CLIENT_MEM_FRACTION"}


def test_another_size_changes_what_is_read_at_a_start_and_nothing_else() -> None:
    before = {"PYTORCH_ALLOC_CONF": "a:b,per_process_memory_fraction:0.4", "OTHER": "x"}
    assert resized_environment(20480, 250, 81920, before) == {
        "SUBLET_MEMORY_MIB": "20480",
        "SUBLET_COMPUTE_MILLI": "250",
        "PYTORCH_ALLOC_CONF": "a:b,per_process_memory_fraction:0.2437",
        "XLA_CLIENT_MEM_FRACTION": "0.2437",
    }


@pytest.mark.parametrize(
    ("told", "before", "after"),
    [
        ("GPU-2", {"SUBLET_GPU_ID": "GPU-1", "CUDA_VISIBLE_DEVICES": "GPU-1"}, "GPU-2 GPU-2"),
        ("SIM-2", {"SUBLET_GPU_ID": "SIM-1", "CUDA_VISIBLE_DEVICES": ""}, "SIM-2 "),
        # Who chose cards for themselves keeps to them.
        ("GPU-2", {"SUBLET_GPU_ID": "GPU-1", "CUDA_VISIBLE_DEVICES": "1"}, "GPU-2 1"),
        (None, {"SUBLET_GPU_ID": "GPU-1", "CUDA_VISIBLE_DEVICES": "GPU-1"}, "GPU-1 GPU-1"),
    ],
)
def test_a_kernel_uses_the_card_that_its_slice_came_to(told, before, after):
    environment = dict(before)
    use_card(told, environment)
    assert f"{environment['SUBLET_GPU_ID']} {environment['CUDA_VISIBLE_DEVICES']}" == after


def test_a_kernel_that_was_started_for_no_card_is_given_none():
    environment = {"CUDA_VISIBLE_DEVICES": "0"}
    use_card("GPU-2", environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "0"}
