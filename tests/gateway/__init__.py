"""Tests of the gateway, on loopback sockets."""
