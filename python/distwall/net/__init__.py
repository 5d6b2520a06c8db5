"""The ground floor: addresses, sockets and name lookups, which everything above stands on. It imports no other part."""
