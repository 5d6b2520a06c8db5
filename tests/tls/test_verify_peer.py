"""The policy's own function."""

import asyncio
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from distwall.tls import Verifier
from distwall.tls.verify_peer import MAX_THREADS
from tests.support.certificates import CA


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> x509.Certificate:
    return CA(tmp_path_factory.mktemp("ca")).make(ec.generate_private_key(ec.SECP256R1()).public_key(), cn="foo")


def _verifier(folder: Path, code: str, *, timeout: float = 0.3) -> Verifier:
    (folder / "checks.py").write_text(code)
    return Verifier("checks:peer", folder, timeout=timeout)


def _fault(verifier: Verifier, certificate: x509.Certificate, node: str = "foo@h") -> str | None:
    return asyncio.run(verifier.fault(certificate, node))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return True", None),
        ("return certificate.serial_number > 0 and node == 'foo@h'", None),
        ("return False", "says no"),
        ("return 1", "returned int, not True or False"),
        ("return None", "returned NoneType"),
        ("return 'yes'", "returned str"),
        ("raise ValueError('not\\nthis one')", "raised ValueError: not this one"),
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("exit()", "raised SystemExit"),
        ("return node.nothing", "raised AttributeError"),
        ("import time; time.sleep(1); return True", "gave no answer within 0.3 s"),
    ],
)
@pytest.mark.parametrize("way", ["def", "async def"])
def test_what_it_does_decides(
    tmp_path: Path, certificate: x509.Certificate, way: str, body: str, words: str | None
) -> None:
    fault = _fault(_verifier(tmp_path, f"{way} peer(certificate, node):\n    {body}\n"), certificate)
    if words is None:
        assert fault is None
    else:
        assert fault is not None
        assert words in fault
        assert "\n" not in fault


ODD = "class Odd:\n    {}\ndef peer(c, n):\n    return Odd()"
DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class A:
    x: int
def peer(c, n):
    return A(1).x == 1
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("async def peer(c, n):\n    import asyncio\n    await asyncio.sleep(5)\n    return True", "no answer within"),
        (ODD.format("def __await__(self): yield; return True"), None),
        (ODD.format("def __bool__(self): return True"), "returned Odd"),
        ("async def peer(c, n):\n    return peer(c, n)", "returned coroutine"),
        ("def peer(c):\n    return True", "raised TypeError"),
        (DATACLASS, None),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_odd_functions_decide_nothing_by_accident(
    tmp_path: Path, certificate: x509.Certificate, code: str, words: str | None
) -> None:
    fault = _fault(_verifier(tmp_path, code), certificate)
    assert fault is None if words is None else words in (fault or "")


def test_the_loop_goes_on_meanwhile(tmp_path: Path, certificate: x509.Certificate) -> None:
    code = "import threading\nfree = threading.Event()\ndef peer(c, n):\n    return free.wait(20)\n"
    verifier = _verifier(tmp_path, code, timeout=30)

    async def both() -> str | None:
        asked = asyncio.create_task(verifier.fault(certificate, "foo@h"))
        await asyncio.sleep(0.01)
        # Who waits for this would wait in vain if the loop stood still.
        verifier._function.__globals__["free"].set()
        return await asked

    assert asyncio.run(both()) is None


def test_threads_that_hang_are_limited(tmp_path: Path, certificate: x509.Certificate) -> None:
    code = "import threading\nfree = threading.Event()\ndef peer(c, n):\n    free.wait(20)\n    return True\n"
    verifier = _verifier(tmp_path, code, timeout=0.05)

    async def many() -> list[str | None]:
        return await asyncio.gather(*(verifier.fault(certificate, "foo@h") for _ in range(MAX_THREADS + 3)))

    faults = asyncio.run(many())
    assert sum("hangs" in (fault or "") for fault in faults) == 3
    hanging = [thread for thread in threading.enumerate() if thread.name == "verify_peer"]
    assert all(thread.daemon for thread in hanging)
    verifier._function.__globals__["free"].set()
    for thread in hanging:
        thread.join(5)
    assert _fault(verifier, certificate) is None


def test_who_asks_may_go_away(tmp_path: Path, certificate: x509.Certificate) -> None:
    verifier = _verifier(tmp_path, "import time\ndef peer(c, n):\n    time.sleep(0.1)\n    return True\n")

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(verifier.fault(certificate, "foo@h"), 0.01)
        await asyncio.sleep(0.2)

    asyncio.run(cancelled())
    assert _fault(verifier, certificate) is None


def test_a_policy_that_is_loaded_again_has_the_function_as_it_is_now(
    tmp_path: Path, certificate: x509.Certificate
) -> None:
    assert _fault(_verifier(tmp_path, "def peer(c, n):\n    return False\n"), certificate)
    assert _fault(_verifier(tmp_path, "def peer(c, n):\n    return 1 == 1\n"), certificate) is None


def test_its_module_may_import_others_of_the_folder(tmp_path: Path, certificate: x509.Certificate) -> None:
    (tmp_path / "distwall_test_helper.py").write_text("answer = True\n")
    code = "def peer(c, n):\n    import distwall_test_helper\n    return distwall_test_helper.answer\n"
    assert _fault(_verifier(tmp_path, code), certificate) is None


def test_a_function_of_a_package_can_be_named(tmp_path: Path, certificate: x509.Certificate) -> None:
    package = tmp_path / "distwall_test_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "checks.py").write_text("def peer(c, n):\n    return True\n")
    assert _fault(Verifier("distwall_test_package.checks:peer", tmp_path), certificate) is None


def test_a_module_of_the_folder_stands_for_no_other(tmp_path: Path, certificate: x509.Certificate) -> None:
    import json

    (tmp_path / "json.py").write_text("def peer(c, n):\n    return True\n")
    assert _fault(Verifier("json:peer", tmp_path), certificate) is None
    import json as after

    assert after is json
    assert after.dumps(1) == "1"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = ", "the module checks can't be loaded: SyntaxError"),
        ("import nothing_of_this_name", "can't be loaded: ModuleNotFoundError"),
        ("raise SystemExit('no\\nway')", "can't be loaded: SystemExit: no way"),
        ("other = 1", "checks:peer is no function; write def peer(certificate, node) in"),
        ("peer = 1", "checks:peer is no function"),
    ],
)
def test_functions_that_can_not_be_had_are_errors(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^verify_peer: ") as caught:
        _verifier(tmp_path, code)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be loaded: ModuleNotFoundError"):
        Verifier("nowhere_to_be_found:peer", tmp_path)
