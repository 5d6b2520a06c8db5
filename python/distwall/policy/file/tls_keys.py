"""Reads the TLS settings of a policy: ``[guard.tls]`` and its subtables, ``tls`` and ``certificate`` of entries."""

import ast
import re
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TypeVar

from distwall.files import regular_file
from distwall.policy.file.cookie_keys import expand
from distwall.policy.file.table import Table, kind, path_fault
from distwall.policy.model import ClientCertificates, GuardSettings, InsideTls, Tls

FILE_KEYS = ("cert", "key", "ca")
TLS_KEYS = {*FILE_KEYS, "client_certificates", "verify_peer", "inside"}

CERTIFICATE_TYPES = ("DNS", "URI", "IP", "CN")
"""Types of names that a glob of ``certificate`` may start with, before a colon."""

_Settings = TypeVar("_Settings", Tls, InsideTls)
_FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_PLACEHOLDER = re.compile(r"\{(?:node|name|host)\}")
_FORMS = {
    "DNS": (
        re.compile(r"(?:[A-Za-z0-9_.*-]|\{name\}|\{host\})+"),
        "write a host name (IDNs as xn--...), perhaps with {name} and {host}",
    ),
    "IP": (re.compile(r"(?:[0-9A-Fa-f:.*]|\{host\})+"), "write an address, 10.0.*, or {host}"),
    "URI": (re.compile(r"[!-~]+"), "write other characters as %XX"),
}
"""Allowed forms of globs for a type, and the remedy."""
_CLIENTS: dict[str, ClientCertificates] = {"required": "required", "optional": "optional"}


def read_tls(table: Table, env: Mapping[str, str]) -> Tls:
    """The settings of ``[guard.tls]``. Its files have to exist."""
    clients = table.string("client_certificates", "required")
    if clients not in _CLIENTS:
        remedy = 'write client_certificates = "required" or client_certificates = "optional"'
        table.error("client_certificates", f"`{clients}` is not a valid choice", remedy)
    cert, key, ca = _files(table, env)
    return _checked(table, Tls(cert, key, ca, _CLIENTS.get(clients, "required"), _verify_peer(table)))


def read_inside_tls(table: Table, env: Mapping[str, str]) -> InsideTls:
    """The settings of ``[guard.tls.inside]``. Its files have to exist."""
    return _checked(table, InsideTls(*_files(table, env)))


def entry_tls(table: Table, guard: GuardSettings) -> bool:
    """True if the peers of an entry have to speak TLS."""
    value = table.values.get("tls", "required" if guard.tls else "off")
    if value not in ("required", "off"):
        shown = f"`{value}`" if isinstance(value, str) else kind(value)
        table.error("tls", f"`tls` is {shown}", 'write tls = "required" or tls = "off"')
        return guard.tls is not None
    if value == "required" and guard.tls is None:
        table.error("tls", 'tls = "required" without [guard.tls]', "add [guard.tls] with cert, key and ca")
    return bool(value == "required")


def entry_certificate(table: Table, *, tls: bool) -> tuple[str, ...]:
    """The globs of ``certificate``, which may be one string."""
    if "certificate" not in table:
        return ()
    value = table.values["certificate"]
    if isinstance(value, str):
        globs: list[tuple[int | None, str]] = [(None, value)]
    elif isinstance(value, list):
        globs = list(table.strings("certificate"))
    else:
        what = f"`certificate` is {kind(value)}, not a string or a list"
        table.error("certificate", what, 'write certificate = "NAME"')
        return ()
    if not tls and table.values.get("tls", "off") == "off":
        table.key_error("certificate", "`certificate` for peers that don't speak TLS", 'write tls = "required"')
    if not globs and not value:
        table.error("certificate", "`certificate` is empty", "leave it out to take any certificate of `ca`")
    for index, glob in globs:
        if fault := certificate_glob_fault(glob):
            table.error("certificate", f"`{glob}` {fault[0]}", fault[1], index=index)
    return tuple(glob for _, glob in globs)


def certificate_glob_fault(glob: str) -> tuple[str, str] | None:
    """The reason why ``glob`` can't match names of certificates, and the remedy; None if it can."""
    prefix, colon, rest = glob.partition(":")
    typed = bool(colon) and prefix in CERTIFICATE_TYPES
    if not (rest if typed else glob):
        return "is empty", "write a name, or `*` for any"
    if not all(c.isprintable() for c in glob):
        return "contains a control character", "remove it"
    if colon and not typed and prefix.upper() in CERTIFICATE_TYPES:
        return "starts with an unknown type of names", f"write {prefix.upper()}:{rest}"
    bare = _PLACEHOLDER.sub("", glob)
    if "{" in bare or "}" in bare:
        return "contains an unknown placeholder", "use {node}, {name} and {host} only"
    if typed and (form := _FORMS.get(prefix)) and not form[0].fullmatch(rest):
        return f"contains a character that no {prefix} name can have", form[1]
    return None


def _verify_peer(table: Table) -> str | None:
    if "verify_peer" not in table:
        return None
    text = table.string("verify_peer", "")
    if not isinstance(table.values["verify_peer"], str):
        return None
    match = _FUNCTION.fullmatch(text)
    if match is None:
        table.error("verify_peer", f"`{text}` is not a function", 'write verify_peer = "MODULE:FUNCTION"')
        return None
    module = match[1].partition(".")[0]
    folder = table.source.path.parent
    file = folder / f"{match[1]}.py"
    # Found and read, not run: to check a policy runs no code of it.
    if file.is_file():
        if fault := _function_fault(file, match[2]):
            table.error("verify_peer", fault, f"write def {match[2]}(certificate, node) there")
    elif PathFinder.find_spec(module, [str(folder)]) is None and PathFinder.find_spec(module) is None:
        table.error("verify_peer", f"no module `{module}`", f"write it as {folder / module}.py")
    return text


def _function_fault(file: Path, function: str) -> str | None:
    """The reason why a module's file doesn't define the function, as far as visible without running it."""
    try:
        tree = ast.parse(regular_file.read(file))
    except OSError as error:
        return f"can't read {file}: {error.strerror}"
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        return f"{file}{line} is not Python: {error.args[0]}"
    # Anywhere in the file: it may be made in an `if`, or imported.
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = {name}
            case ast.Name(id=name, ctx=ast.Store()):
                names = {name}
            case ast.alias(name=name, asname=asname):
                names = {asname or name}
            case _:
                continue
        if names & {function, "*"}:
            return None
    return f"no `{function}` in {file}"


def _files(table: Table, env: Mapping[str, str]) -> tuple[Path, Path, Path]:
    missing = [key for key in FILE_KEYS if key not in table]
    if missing and table.usable:
        table.error(None, f"no `{'`, no `'.join(missing)}`", f'write {missing[0]} = "FILE.pem"')
    texts = (table.string(key, "", fault=path_fault) for key in FILE_KEYS)
    cert, key, ca = (expand(text, table.source.path, env) for text in texts)
    return cert, key, ca


def _checked(table: Table, settings: _Settings) -> _Settings:
    """Returns ``settings`` unchanged, and reports faults of the files that it names."""
    texts = [table.values.get(key) for key in FILE_KEYS]
    if any(not isinstance(text, str) or path_fault(text) for text in texts):
        return settings
    # Only who uses TLS pays for the import.
    from distwall.policy.file.certificate_files import faults  # noqa: PLC0415

    for fault in faults(settings):
        note = table.problems.error if fault.fatal else table.problems.warn
        note(table.at(fault.file), fault.what, fault.remedy)
    return settings
