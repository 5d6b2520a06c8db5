"""The external term format, for what distwall itself says and hears; what passes a channel is the core's business.

`decode` reads a term that anybody may have written: bounded in size and depth, without recursion. `encode` writes one.
Terms are plain Python values and the classes of `distwall.etf.terms`.
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
