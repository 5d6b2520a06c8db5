"""Tests of the EPMD state machines."""
