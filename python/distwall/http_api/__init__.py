"""The HTTP API of a running distwall: access control, calls, live events, and a client."""
