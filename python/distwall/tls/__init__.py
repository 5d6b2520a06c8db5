"""Distribution over TLS: distwall's own certificates, and the policy's checks of others.

``Contexts`` holds distwall's certificates and trusted CAs, loaded again when their files change. ``matches`` decides
whether a certificate belongs to the node that a peer claims to be; ``Verifier`` asks the policy's own function.
``explain`` and ``describe`` make texts for events: the error of a connection, and the names in a certificate.
"""

from distwall.tls.certificate_names import CertificateNames, describe, matches, names_of
from distwall.tls.contexts import Contexts, explain
from distwall.tls.verify_peer import Verifier

__all__ = ["CertificateNames", "Contexts", "Verifier", "describe", "explain", "matches", "names_of"]
