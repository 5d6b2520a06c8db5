"""Distribution over TLS: who shows which certificate, and what the policy makes of it.

``Contexts`` holds what distwall shows and demands, loaded anew when its files change; ``matches`` decides whether a
certificate belongs to the node that a peer says it is, ``Verifier`` asks the policy's own function. ``explain`` and
``describe`` say in words that fit an event what is wrong with a connection, and whose certificate it is.
"""

from distwall.tls.certificate_names import CertificateNames, describe, matches, names_of
from distwall.tls.contexts import Contexts, explain
from distwall.tls.verify_peer import Verifier

__all__ = ["CertificateNames", "Contexts", "Verifier", "describe", "explain", "matches", "names_of"]
