"""Which processes are a kernel's: none where it does not run as a process here."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from sublet_lab.server.kernel_processes import pid_of, processes_of


def a_kernel(pid: object) -> Any:
    return SimpleNamespace(provisioner=SimpleNamespace(pid=pid))


@pytest.mark.parametrize(
    ("kernel", "pid"),
    [
        (a_kernel(17), 17),
        (a_kernel(None), None),
        (a_kernel(0), None),
        (a_kernel("pod-17"), None),
        (SimpleNamespace(provisioner=None), None),
        (SimpleNamespace(), None),
    ],
    ids=["a process", "not begun", "the whole group", "a pod", "no provisioner", "not a kernel"],
)
def test_a_kernels_pid_is_its_provisioners_where_that_is_one(kernel: Any, pid: int | None) -> None:
    assert pid_of(kernel) == pid


def test_a_kernel_of_elsewhere_has_no_processes_here() -> None:
    kernels = {"here": a_kernel(os.getpid()), "elsewhere": a_kernel(None)}
    manager = SimpleNamespace(list_kernel_ids=lambda: list(kernels), get_kernel=kernels.get)
    found = processes_of(manager)
    assert os.getpid() in found["here"]
    assert found["elsewhere"] == frozenset()
