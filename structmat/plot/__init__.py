"""Pictures of operators by Matplotlib: entries, spectra, the tree of a composition, and the course of an iteration.

Every function draws in the Axes that it is given, or in those of a new figure of pyplot, and returns the Axes. None
changes Matplotlib's settings or shows a window. Arrays are copied to the host to be drawn.
"""

from structmat._backend import packages

packages.import_optional("structmat.plot", "matplotlib", "plot")

from structmat.plot.composition import tree
from structmat.plot.entries import matrix, spy
from structmat.plot.progress import convergence
from structmat.plot.spectra import singular_values, spectrum

__all__ = ["convergence", "matrix", "singular_values", "spectrum", "spy", "tree"]
