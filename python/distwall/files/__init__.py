"""Files on the ground floor: opened with care, replaced at once, and the users who can read or write them.

It imports no other part.
"""
