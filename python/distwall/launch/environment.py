"""The environment that makes an Erlang program a guarded one."""

from collections.abc import Mapping
from pathlib import Path

from distwall.launch.settings import Settings

# Wrappers that set one of them for themselves keep the other. The emulator takes the first of equal flags.
FIRST, LAST = "ERL_AFLAGS", "ERL_ZFLAGS"


def guarded_environment(environment: Mapping[str, str], settings: Settings, modules: Path) -> dict[str, str]:
    """The ``environment`` of a guarded node, without cookies of peers; its own flags stay.

    ``modules`` is the folder with the compiled modules.
    """
    flags = " ".join(
        [
            *("-epmd_module", "distwall_epmd", "-start_epmd", "false"),
            *("-pa", _quoted(modules), _quoted(modules / "boot"), "-distwall_boot", _quoted(modules / "boot")),
            *("-distwall_register", str(settings.register_port)),
            *("-distwall_peer_epmd", str(settings.peer_epmd_port)),
            *("-distwall_tls", "true" if settings.inside_tls else "false"),
            *(("-distwall_control", _quoted(settings.control_node)) if settings.control_node else ()),
        ]
    )
    kept = {name: value for name, value in environment.items() if name not in settings.secrets}
    guarded = {**kept, "ERL_EPMD_PORT": str(settings.register_port)}
    if environment.get(FIRST, "").startswith(flags):
        return guarded
    guarded[FIRST] = f"{flags} {environment.get(FIRST, '')}".rstrip()
    guarded[LAST] = f"{environment.get(LAST, '')} {flags}".lstrip()
    return guarded


def _quoted(text: Path | str) -> str:
    """A text as the emulator reads it from its variables: with a backslash before characters that would end a word."""
    return "".join(f"\\{character}" if character in "\\'\" \t\n" else character for character in str(text))
