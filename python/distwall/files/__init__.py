"""Files on the ground floor: who else can read or write them. It imports no other part."""
