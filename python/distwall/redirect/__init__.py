"""Transparent mode: what stock nodes, which know nothing of distwall, need so that their outgoing connections meet it.

Four nouns: the **ruleset** is the nftables text that leads a user's connections to distwall, and ``nft`` loads it; a
**made-up port** stands for one peer at one address; **names** finds the full name of a node of which EPMD was only
told the part before ``@``; the **resolver** asks the name service for that. The sockets are in
`distwall.gateway.redirect_listener`.
"""
