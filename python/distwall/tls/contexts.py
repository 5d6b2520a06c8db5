"""The certificates in force, as contexts of `ssl`.

Theory of operation. A context is made whole from the three files or not at all. An open connection keeps its context.
Files are replaced in many ways: written in place, renamed, or through a symbolic link to a folder, as by Kubernetes. So
the comparison is about the file behind the name, the time of its change and its size. Unusable files are loaded once,
and again only when they change.

Sessions are not resumed: the certificate was proved some time ago, and may have expired since. Tickets are off. TLS 1.2
can also resume from the server's memory, which Python's `ssl` can't switch off, so such a connection is refused. Nodes
don't try.

Up to OTP 27, distribution speaks TLS 1.2 by default. Such nodes ask for new keys after 2**28 records, and hang up if
they can't have them. So peers may renegotiate. The peer is not identified again: it is the same connection.
"""

import ssl
from pathlib import Path

from distwall.policy import InsideTls, Tls
from distwall.policy.file.certificate_files import context, faults
from distwall.tls.bounded_reads import CountingTls

# The ciphers of OTP 25 and newer with TLS 1.2; TLS 1.3 has its own. All of them have forward secrecy.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

# SSL_OP_ALLOW_CLIENT_RENEGOTIATION of OpenSSL 3, for which Python's `ssl` has no name. Before, it was always allowed.
_ALLOW_CLIENT_RENEGOTIATION = 0x100

_FileState = tuple[int, ...] | None


class Contexts:
    """Contexts for one kind of the other side: peers (``Tls``), or guarded nodes (``InsideTls``)."""

    def __init__(self, settings: Tls | InsideTls) -> None:
        """Raises OSError and ValueError for files that can't be used."""
        self.settings = settings
        self.files = [str(settings.cert), str(settings.key), str(settings.ca)]
        self._seen: list[_FileState] = []
        self.reload()

    def server(self) -> ssl.SSLContext:
        """The context for connections to distwall."""
        return self._server

    def client(self, *, check_hostname: bool) -> ssl.SSLContext:
        """The context for dialling; ``check_hostname``: the certificate has to be for the dialled host."""
        return self._checking if check_hostname else self._client

    def changed(self) -> bool:
        """True if the files have changed since they were last loaded."""
        return _signature(self.files) != self._seen

    def reload(self) -> None:
        """Makes new contexts from the files. Raises OSError and ValueError, and keeps the old ones then."""
        # Before they are read: what changes meanwhile is seen as a change later.
        self._seen = _signature(self.files)
        if fatal := [fault.what for fault in faults(self.settings) if fault.fatal]:
            raise ValueError("; ".join(fatal))
        server = _made(self.settings, ssl.PROTOCOL_TLS_SERVER)
        server.verify_mode = _demand(self.settings)
        server.num_tickets = 0
        server.options |= ssl.OP_NO_TICKET | _ALLOW_CLIENT_RENEGOTIATION
        server.sslobject_class = _Unresumed
        client, checking = (_made(self.settings, ssl.PROTOCOL_TLS_CLIENT) for _ in range(2))
        client.check_hostname = False
        client.sslobject_class = checking.sslobject_class = CountingTls
        self._server, self._client, self._checking = server, client, checking


class _Unresumed(CountingTls):
    """The server's end of a connection that begins with a proof of the client's certificate."""

    def do_handshake(self) -> None:
        super().do_handshake()
        if self.session_reused:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "it resumes an older session, which is not allowed")


def explain(error: ssl.SSLError) -> str:
    """The reason why a TLS handshake failed, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _VERIFICATION.get(error.verify_code) or error.verify_message or "not valid"
        return f"its certificate {text}" if error.verify_code in _VERIFICATION else f"its certificate: {text}"
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    if reason in _REASONS:
        return _REASONS[reason]
    words = reason.lower().replace("_", " ")
    _, alert, name = words.partition("alert ")
    return f"it refused the connection: {name}" if alert else words


_VERIFICATION = {
    # Of openssl/x509_vfy.h.
    2: "is signed by an unknown CA",
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed, and not among those of `ca`",
    19: "is signed by an unknown CA",
    20: "is signed by an unknown CA",
    21: "is signed by an unknown CA",
    23: "is revoked",
    26: "is not for this use (extendedKeyUsage)",
    62: "is for another host",
    64: "is for another address",
    66: "has a key that is too weak",
    67: "is signed by a CA whose key is too weak",
    68: "is signed with a digest that is too weak",
    79: "is signed by a certificate that is not a CA",
}

_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has no certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS, or an old version",
    "UNSUPPORTED_PROTOCOL": "it speaks only versions older than TLS 1.2",
    "NO_PROTOCOLS_AVAILABLE": "it speaks only versions older than TLS 1.2",
    "HTTP_REQUEST": "it speaks HTTP",
    "NO_SHARED_CIPHER": "no cipher that both sides know",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no signature algorithm that both sides know",
    "EXCESSIVE_MESSAGE_SIZE": "its certificates are too large",
    "UNEXPECTED_EOF_WHILE_READING": "it hung up in the middle",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the CA of distwall's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that distwall's certificate has expired",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept distwall's certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept distwall's certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it does not accept distwall's certificate for this use",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refused the handshake: distwall's certificate is for another host, maybe",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks neither TLS 1.2 nor 1.3",
}


def _made(settings: Tls | InsideTls, protocol: int) -> ssl.SSLContext:
    made = context(settings, protocol)
    made.set_ciphers(CIPHERS)
    # Each certificate in `ca` is trusted, at the end of its chain or not.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return made


def _demand(settings: Tls | InsideTls) -> ssl.VerifyMode:
    """The demand for a client certificate. Guarded nodes may have none: they prove the cluster's cookie."""
    required = isinstance(settings, Tls) and settings.clients == "required"
    return ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def _signature(files: list[str]) -> list[_FileState]:
    found: list[_FileState] = []
    for file in files:
        try:
            status = Path(file).stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))
    return found
