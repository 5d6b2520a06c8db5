"""The ground floor: addresses, sockets and name lookups, for all other parts. It imports no other part."""
