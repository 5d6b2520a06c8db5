"""Control: the one ``Firewall`` object that knows the rules in force, the open channels and the counters.

``Rulebook`` puts together the policy file, settings made at run time (``RuntimeSettings``) and grants (``Grants``).
``Firewall`` has the functions of the runtime API; HTTP, Erlang and the command line are thin fronts on it.
"""

from distwall.control.channel import ChannelHandle, PeerInfo, RefusedChannelError
from distwall.control.errors import BadCallError, ControlError, NotFoundError, UnsafeStateError
from distwall.control.firewall import Firewall
from distwall.control.grants import Grant
from distwall.control.runtime_settings import GivenKey
from distwall.control.state_file import StateFile

__all__ = [
    "BadCallError",
    "ChannelHandle",
    "ControlError",
    "Firewall",
    "GivenKey",
    "Grant",
    "NotFoundError",
    "PeerInfo",
    "RefusedChannelError",
    "StateFile",
    "UnsafeStateError",
]
