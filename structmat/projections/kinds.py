"""Random projections by name, for those who let their users choose one."""

from collections.abc import Callable, Mapping

from structmat.core.base import LinearOperator
from structmat.projections.baselines import gaussian_projection
from structmat.projections.circulant import circulant_projection
from structmat.projections.fastfood import fastfood
from structmat.projections.hadamard import fjlt, sorf, srht
from structmat.projections.toeplitz import toeplitz_projection

Draw = Callable[..., LinearOperator]

#: Those whose rows, √k times as long, are Gaussian vectors, or for large d nearly so, as random features need them.
GAUSSIAN: Mapping[str, Draw] = {
    "circulant": circulant_projection,
    "fastfood": fastfood,
    "gaussian": gaussian_projection,
    "sorf": sorf,
    "toeplitz": toeplitz_projection,
}
ALL: Mapping[str, Draw] = {**GAUSSIAN, "fjlt": fjlt, "srht": srht}


def projection_by_name(title: str, kind: str, among: Mapping[str, Draw]) -> Draw:
    """Return the function that draws a kind of projection, of d and k."""
    if kind not in among:
        raise ValueError(f"{title}: kind is {kind!r}; expected one of {', '.join(map(repr, sorted(among)))}.")
    return among[kind]
