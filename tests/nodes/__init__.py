"""Tests with real Erlang nodes."""
