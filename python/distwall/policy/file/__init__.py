"""The policy file: its text, its tables, one module for each section, the files that it names, and tests beside it."""
