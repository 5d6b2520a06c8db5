"""``make bench``: what distwall costs between real nodes, side by side with a raw connection and HAProxy."""
