"""The kinds of numpy arrays, for annotations: imported where types are checked alone."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]  # vectors as rows, or a single one
