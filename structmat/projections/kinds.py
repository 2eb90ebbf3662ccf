"""Random projections by name, for functions and classes with an argument `kind`."""

from collections.abc import Callable, Mapping

from structmat.core.base import LinearOperator
from structmat.projections.baselines import gaussian_projection
from structmat.projections.circulant import circulant_projection
from structmat.projections.fastfood import fastfood
from structmat.projections.hadamard import fjlt, sorf, srht
from structmat.projections.toeplitz import toeplitz_projection

Draw = Callable[..., LinearOperator]

#: Projections for random features: √k times their rows are Gaussian vectors, at least approximately for large d.
GAUSSIAN: Mapping[str, Draw] = {
    "circulant": circulant_projection,
    "fastfood": fastfood,
    "gaussian": gaussian_projection,
    "sorf": sorf,
    "toeplitz": toeplitz_projection,
}
PROJECTIONS: Mapping[str, Draw] = {**GAUSSIAN, "fjlt": fjlt, "srht": srht}


def projection_by_name(title: str, kind: str, projections: Mapping[str, Draw]) -> Draw:
    """Return the function of d and k that draws a projection."""
    if kind not in projections:
        raise ValueError(f"{title}: kind is {kind!r}; expected one of {', '.join(map(repr, sorted(projections)))}.")
    return projections[kind]
