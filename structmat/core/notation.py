"""How compositions are written: a sign, and a formula in TeX."""

from typing import NamedTuple


class Notation(NamedTuple):
    r"""The notation of a class of composites.

    Attributes
    ----------
    sign : str
        One or two characters, the icon of the class.
    between : str
        TeX between the formulas of the parts.
    frame : str
        TeX around them, with the places "{parts}" and "{field}" of the fields of the operator.
    binds, holds : int
        A part is put in parentheses if its `binds` is less than what the composite holds: 1 for sums, 2 for products, 3
        for powers, 4 for what has brackets of its own.
    """

    sign: str
    between: str = ", "
    frame: str = "{parts}"
    binds: int = 4
    holds: int = 0
