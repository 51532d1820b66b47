"""Accelerators and known models: figures other people published, each with its source and whether it was checked there.

`verified` is true where the figure was read in the document of whoever made the device or trained the model (or follows
from such figures), false where it comes from somebody else's table or from memory.
"""

from jaxscale.reference._accelerators import Accelerator as Accelerator
from jaxscale.reference._accelerators import accelerator as accelerator
from jaxscale.reference._accelerators import accelerators as accelerators
from jaxscale.reference._figure import Quantity as Quantity
from jaxscale.reference._trained_models import KnownModel as KnownModel
from jaxscale.reference._trained_models import models as models

__all__ = ["Accelerator", "KnownModel", "Quantity", "accelerator", "accelerators", "models"]
