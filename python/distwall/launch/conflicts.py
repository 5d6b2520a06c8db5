"""Finds settings that would lead a program past distwall, as far as they are visible before it runs."""

import ipaddress
import re
from collections.abc import Mapping, Sequence

from distwall.launch.error import NotGuardedError
from distwall.launch.flags import Flag, flags_of
from distwall.launch.otp import OLDEST_OTP, otp_of
from distwall.launch.settings import Settings

_CARRIERS = ("inet_tcp", "inet6_tcp", "inet_tls", "inet6_tls")
_KERNEL_LEADS_PAST = ("epmd_module", "erl_epmd_node_listen_port")
_IPV4 = re.compile(r"\{\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\}")
_IPV6_LOOPBACK = re.compile(r"\{(\s*0\s*,){7}\s*1\s*\}")


def refuse_conflicts(command: Sequence[str], environment: Mapping[str, str], settings: Settings) -> None:
    """Raises NotGuardedError if its flags, its environment or its age would lead the program past distwall."""
    port = environment.get("ERL_EPMD_PORT")
    if port not in (None, str(settings.register_port)):
        raise NotGuardedError(
            f"ERL_EPMD_PORT is {port}, and [guard] register of {settings.path} is port {settings.register_port};"
            " unset it"
        )
    for flag in flags_of(command, environment):
        fault = _fault(flag, settings)
        if fault:
            raise NotGuardedError(f"{flag}: {fault}")
    otp = otp_of(command[0], environment)
    if otp is not None and otp < OLDEST_OTP:
        raise NotGuardedError(f"{command[0]} is OTP {otp}; guarded nodes need OTP {OLDEST_OTP} or newer")


def wants_ipv6(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """True if a visible flag makes the program's distribution use IPv6."""
    return any(
        value.startswith("inet6")
        for flag in flags_of(command, environment)
        if flag.name == "-proto_dist"
        for value in flag.values
    )


def _fault(flag: Flag, settings: Settings) -> str | None:
    """The reason why a flag is not possible, and the remedy; None if it is."""
    first = flag.values[0] if flag.values else ""
    match flag.name:
        case "-epmd_module" if first != "distwall_epmd":
            return "the node would find others past distwall; remove it"
        case "-no_epmd" | "-erl_epmd_port":
            return "the node would not be found through distwall; remove it"
        case "-epmd_port" if first != str(settings.register_port):
            return f"distwall's EPMD for guarded nodes is at port {settings.register_port}; remove it"
        case "-start_epmd" if first == "true":
            return "distwall is the node's EPMD; remove it"
        case "-proto_dist":
            return _carrier_fault(flag.values, settings)
        case "-kernel":
            return _kernel_fault(flag.values)
        case _:
            return None


def _carrier_fault(carriers: tuple[str, ...], settings: Settings) -> str | None:
    unknown = [carrier for carrier in carriers if carrier not in _CARRIERS]
    if unknown:
        return f"distwall does not know {unknown[0]}; use one of {', '.join(_CARRIERS)}"
    if not settings.inside_tls and any(carrier.endswith("_tls") for carrier in carriers):
        return f"{settings.path} has no [guard.tls.inside]; add it, or let the node use plain TCP on loopback"
    if len({carrier.startswith("inet6") for carrier in carriers}) > 1:
        return "carriers of both address families; name one"
    return None


def _kernel_fault(values: tuple[str, ...]) -> str | None:
    for key, value in zip(values[::2], values[1::2], strict=False):
        if key == "inet_dist_use_interface" and not _is_loopback(value):
            return "the node would listen where others reach it past distwall; remove it"
        if key in _KERNEL_LEADS_PAST:
            return f"kernel's {key} would lead the node past distwall; remove it"
    return None


def _is_loopback(address: str) -> bool:
    match = _IPV4.fullmatch(address.strip())
    if match:
        return match[1] == "127"
    if _IPV6_LOOPBACK.fullmatch(address.strip()):
        return True
    try:
        return ipaddress.ip_address(address.strip("\"'")).is_loopback
    except ValueError:
        return False
