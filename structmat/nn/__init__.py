"""Layers of neural networks, one module for each framework, imported when it is asked for: `structmat.nn.torch`."""
