"""The external term format, for distwall's own messages; the core reads the traffic of channels.

`decode` reads a term from anybody: bounded in size and depth, without recursion. `encode` writes a term. Terms are
plain Python values and the classes of `distwall.etf.terms`.
"""

from distwall.etf.decode import MAX_DEPTH, MAX_TERMS, DecodeError, decode
from distwall.etf.encode import encode
from distwall.etf.terms import Atom, BitString, Export, Fun, Improper, Map, Pid, Port, Record, Ref, Term, text_of

__all__ = [
    "MAX_DEPTH",
    "MAX_TERMS",
    "Atom",
    "BitString",
    "DecodeError",
    "Export",
    "Fun",
    "Improper",
    "Map",
    "Pid",
    "Port",
    "Record",
    "Ref",
    "Term",
    "decode",
    "encode",
    "text_of",
]
