"""What properties are tried with is the same in each run, whatever ran before and wherever."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DRAWS = """
import tests.conftest
from hypothesis import given, settings, strategies as st

@given(st.tuples(st.integers(), st.text(), st.floats(), st.sampled_from(["a", "b", "c"])))
@settings(max_examples=100)
def look(drawn):
    print(ascii(drawn))

look()
"""


def draws(*loaded: str, hash_seed: int) -> str:
    """All that is drawn in a process that has loaded these modules."""
    settings = {"SUBLET_HYPOTHESIS": "the-same", "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(
        [sys.executable, "-c", "".join(f"import {name}\n" for name in loaded) + DRAWS],
        cwd=ROOT, env={**os.environ, **settings}, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_the_same_is_drawn_whatever_modules_are_loaded() -> None:
    alone = draws(hash_seed=1)
    assert alone.count("\n") > 90
    loaded = ("sublet_quota.document.quota_document", "sublet_quota.wire.api")
    assert draws(*loaded, hash_seed=2) == alone
