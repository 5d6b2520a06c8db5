"""Transparent mode: leads outgoing connections of stock nodes, which know nothing of distwall, to distwall.

Four nouns. The **ruleset** is the nftables text that redirects a user's connections to distwall; ``nft`` loads it. A
**made-up port** stands for one peer at one address. EPMD is told only the part of a node's name before ``@``:
``asked_node`` finds the full name, and the **resolver** asks the name service for that. The sockets are in
`distwall.gateway.redirect_listener`.
"""
