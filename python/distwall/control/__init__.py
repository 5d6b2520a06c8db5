"""Control: the one ``Firewall`` object that knows the policy, the open channels and the counters, and its HTTP API."""

from distwall.control.firewall import ChannelHandle, Firewall, PeerInfo, RefusedChannelError, Side

__all__ = ["ChannelHandle", "Firewall", "PeerInfo", "RefusedChannelError", "Side"]
