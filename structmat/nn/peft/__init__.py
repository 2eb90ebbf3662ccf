"""Block-circulant adapters for PEFT, like its C3A, for layers and blocks of any sizes."""

from structmat._backend import packages

packages.import_optional("structmat.nn.peft", "peft", "peft")

from structmat.nn.peft.layer import BlockCirculantLayer
from structmat.nn.peft.model import BlockCirculantConfig, BlockCirculantModel

__all__ = ["BlockCirculantConfig", "BlockCirculantLayer", "BlockCirculantModel"]
