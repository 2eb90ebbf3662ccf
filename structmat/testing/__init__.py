"""The operator contract as checks, which also apply to operators that users define."""

from structmat.testing.checks import CHECKS, check_operator
from structmat.testing.reference import dense_pair

__all__ = ["CHECKS", "check_operator", "dense_pair"]
