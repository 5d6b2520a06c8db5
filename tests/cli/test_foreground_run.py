"""The process of `distwall run`, from within."""

import subprocess
import sys

PROGRAM = """
import gc
from distwall.cli.foreground_run import keep_for_good

assert len(gc.get_objects()) > 30_000
keep_for_good()
print(len(gc.get_objects()))
"""


def test_the_garbage_collection_does_not_look_at_the_program_again_and_again() -> None:
    """Nearly all objects are there when it starts. To look at all of them stops the loop for forty milliseconds."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)
    assert int(told.stdout) < 1000
