"""Handlers: code that sees an accepted command before the guarded node does, and decides.

Those in Python are classes: see `distwall.handlers.api`. Those in Erlang are modules of the guarded node, which the
core asks by itself. ``funs = "checked"`` is a handler of distwall's own: `distwall.handlers.fun_checker`.
"""

from distwall.handlers.api import Changed, Command

__all__ = ["Changed", "Command"]
