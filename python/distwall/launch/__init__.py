"""Starting programs guarded: what `distwall exec` looks at, and what it sets.

A program is guarded by environment alone. What its command line and environment say otherwise is a **conflict**
(`conflicts`); that and a distwall that isn't there (`ready`) mean that the program is not started.
"""

from distwall.launch.error import NotGuardedError
from distwall.launch.modules import erlang_folder
from distwall.launch.prepare import prepare
from distwall.launch.settings import Settings, read_settings

__all__ = ["NotGuardedError", "Settings", "erlang_folder", "prepare", "read_settings"]
