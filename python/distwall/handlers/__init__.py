"""Handlers: code that sees an accepted command before the guarded node does, and decides.

Handlers in Python are classes: see `distwall.handlers.api`. Handlers in Erlang are modules of the guarded node, which
the core asks by itself.
"""

from distwall.handlers.api import Changed, Command

__all__ = ["Changed", "Command"]
