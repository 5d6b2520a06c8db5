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

READS = """
import resource, sys
from distwall.cli.foreground_run import keep_memory_of_reads

if sys.argv[1] == "keep":
    keep_memory_of_reads()
for rounds in (1, 20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        reads = [bytes([number]) * (1 << 18) for number in range(1, 40)]
        del reads
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    told = subprocess.run([sys.executable, "-c", READS, how], check=True, capture_output=True, text=True, timeout=60)
    return int(told.stdout)


def test_the_memory_of_reads_is_kept() -> None:
    assert faults("keep") < 1000
    assert faults("by itself") > 10_000


def test_the_garbage_collection_does_not_look_at_the_program_again_and_again() -> None:
    """Nearly all objects are there when it starts. To look at all of them stops the loop for forty milliseconds."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)
    assert int(told.stdout) < 1000
