"""Prepares the start of a guarded program."""

from collections.abc import Mapping, Sequence

from distwall.launch.conflicts import refuse_conflicts, wants_ipv6
from distwall.launch.environment import guarded_environment
from distwall.launch.modules import erlang_folder
from distwall.launch.ready import refuse_unless_ready
from distwall.launch.settings import Settings


def prepare(command: Sequence[str], environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment in which ``command`` runs guarded.

    Raises NotGuardedError if it would be reachable past distwall, or if distwall isn't there.
    """
    modules = erlang_folder()
    refuse_conflicts(command, environment, settings)
    refuse_unless_ready(settings, ipv6=wants_ipv6(command, environment))
    return guarded_environment(environment, settings, modules)
