"""Gathers the pages of the documentation site, builds it, and checks what was built."""
