"""Amounts as Kubernetes writes them: who asks is given no less, and no more is there than said."""

from typing import Any

import pytest
from sublet_quota.amounts.kube_quantity import (
    cpu_milli_asked,
    cpu_milli_there,
    memory_mib_asked,
    memory_mib_there,
)
from sublet_quota.errors import AmountError


@pytest.mark.parametrize(
    ("written", "asked", "there"),
    [
        ("500m", 500, 500),
        (2, 2000, 2000),
        (0.25, 250, 250),
        ("1.0005", 1001, 1000),
        ("3900000u", 3900, 3900),
        ("1n", 1, 0),
        ("0", 0, 0),
    ],
)
def test_cpu(written: Any, asked: int, there: int) -> None:
    assert (cpu_milli_asked(written), cpu_milli_there(written)) == (asked, there)


@pytest.mark.parametrize(
    ("written", "asked", "there"),
    [
        ("4Gi", 4096, 4096),
        ("131898668Ki", 128808, 128807),
        ("1e9", 954, 953),
        (2**20 + 1, 2, 1),
        ("0", 0, 0),
    ],
)
def test_memory(written: Any, asked: int, there: int) -> None:
    assert (memory_mib_asked(written), memory_mib_there(written)) == (asked, there)


@pytest.mark.parametrize("written", ["", "much", "-1", "1 Gi", "1ni", "1e", None, "nan", "1e99"])
def test_what_is_no_amount_is_an_error(written: Any) -> None:
    with pytest.raises(AmountError):
        memory_mib_asked(written)
