"""The names of GPU models, and the patterns for them."""

import fnmatch

from sublet_quota.amounts import gpu_kind
from sublet_quota.amounts.gpu_kind import MOST_PATTERNS, matches


def test_upper_and_lower_case_are_the_same() -> None:
    assert matches("NVIDIA H100 80GB HBM3", ("*l4*", "*h100*"))
    assert not matches("NVIDIA L4", ("*h100*",))


def test_of_the_patterns_that_people_make_up_few_are_kept() -> None:
    """Tens of thousands were, compiled: a hundred MiB of whoever asked for that many."""
    before = fnmatch._compile_pattern.cache_info().currsize
    for number in range(MOST_PATTERNS + 100):
        matches("NVIDIA L4", (f"*[a-z]*{number}",))
    assert gpu_kind._compiled.cache_info().currsize <= MOST_PATTERNS
    assert fnmatch._compile_pattern.cache_info().currsize == before
