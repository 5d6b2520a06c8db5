"""``python -m distwall`` is the ``distwall`` command."""

from distwall.cli import main

main()
