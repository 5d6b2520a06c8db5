"""Handlers: code that sees an accepted command before the guarded node does, and decides."""
