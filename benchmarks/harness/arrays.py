"""Arrays that programmes hand to each other."""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.float32]
Ids = NDArray[np.integer]


def normalised(rows: NDArray[np.floating]) -> Codes:
    """Scale rows to length 1."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(norms == 0, 1, norms), dtype=np.float32)
