"""What is there when a service begins is not looked through for garbage again."""

import subprocess
import sys

_PROGRAM = """
import gc
from sublet_hub.app import application
from sublet_hub.host.long_lived import spare_long_lived
before = len(gc.get_objects())
spare_long_lived()
print(before, len(gc.get_objects()))
"""


def test_of_what_is_loaded_next_to_nothing_is_looked_through_again() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert before > 50_000
    assert after < before / 50
