"""Going over from one generation of a folder to the next, while searches are answered."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.runtime import live_nodes
from latentknn.distributed.serving import Serving, begin_serving
from latentknn.files.manifest import read_newest

_OTHERS_SECONDS = 30.0
"""How long searches of other clients are waited for, which ask again if they last longer."""


def raise_generation(
    old: Serving, generation: int | None, name: str | None, timeout: float
) -> Serving | None:
    """Begin workers of the newest manifest; None where that is served already.

    Raises
    ------
    ValueError
        Where the newest manifest is not the one that was asked for, or is older than what is served.
    """
    manifest = read_newest(Path(old.folder))
    served = old.manifest.generation
    if generation is not None and manifest.generation != generation:
        raise ValueError(
            f"{old.folder!r} holds generation {manifest.generation}, received generation = {generation}"
        )
    if manifest.generation < served:
        raise ValueError(
            f"{old.folder!r} holds generation {manifest.generation}, and generation {served} is served; stop "
            "the index and start it again to go back"
        )
    if manifest == old.manifest:
        return None
    return begin_serving(old.folder, manifest, live_nodes(), old.replicas, name, timeout)


def withdraw(old: Serving) -> None:
    """End the workers of a generation when the last batch that they answer is done."""
    old.wait_for_batches()
    ray = import_ray()
    deadline = time.monotonic() + _OTHERS_SECONDS
    for member in old.members:
        # From now on the worker refuses new searches, and other clients go over to the new generation.
        with suppress(ray.exceptions.RayError):
            while time.monotonic() < deadline:
                under_way = member.handle.retire.remote()
                if ray.get(under_way, timeout=_OTHERS_SECONDS) == 0:
                    break
                time.sleep(0.02)
    old.end()
