"""Tests of the handshake's state machines."""
