"""Starts programs guarded: the checks of `distwall exec`, and the environment that it sets.

Only the environment makes a program guarded. Settings in its command line and environment that contradict it are a
**conflict** (`conflicts`). With a conflict, or without a running distwall (`ready`), the program is not started.
"""

from distwall.launch.error import NotGuardedError
from distwall.launch.modules import erlang_folder
from distwall.launch.prepare import prepare
from distwall.launch.settings import Settings, read_settings

__all__ = ["NotGuardedError", "Settings", "erlang_folder", "prepare", "read_settings"]
