"""The HTTP API of a running distwall: who may call what, the calls, the live events, and a client."""
