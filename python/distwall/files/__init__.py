"""Files on the ground floor: the users who can read or write them. It imports no other part."""
