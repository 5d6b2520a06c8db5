"""Handlers: code that sees an accepted command before the guarded node does, and decides.

Handlers in Python are classes: see `distwall.handlers.api`. Handlers in Erlang are modules of the guarded node, which
the core asks by itself. ``funs = "checked"`` is a handler of distwall itself: `distwall.handlers.fun_checker`.
"""

from distwall.handlers.api import Changed, Command

__all__ = ["Changed", "Command"]
