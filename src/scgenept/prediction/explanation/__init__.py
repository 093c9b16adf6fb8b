"""Which input made a network predict what it did: integrated gradients, by knowledge source and gene."""
