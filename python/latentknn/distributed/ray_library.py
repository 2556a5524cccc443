"""Ray, which is imported when a cluster is first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_TOKENS = "RAY_AUTH_MODE"
_OTHER_MACHINES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def import_ray() -> ModuleType:
    """Return the module ``ray``, or raise ImportError that names the extra."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("latentknn.distributed needs Ray: pip install 'latentknn[ray]'") from error
    module: ModuleType = ray
    return module


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let what begins in the block listen on the loopback address alone, and ask for this user's token.

    Ray listens on all addresses of a machine, also where it is given 127.0.0.1, unless it is told that there
    are no clusters of several machines, as on Windows and macOS. It reads that when it is imported; a test
    looks at the addresses, and so fails where another version of Ray has other names for this.
    """
    import_ray()
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER, os.environ.get(_OTHER_MACHINES)
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[_OTHER_MACHINES] = "0"
    try:
        _ask_for_tokens()
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before[0]
        if before[1] is None:
            del os.environ[_OTHER_MACHINES]
        else:
            os.environ[_OTHER_MACHINES] = before[1]


def _ask_for_tokens() -> None:
    """Use the token in ``~/.ray/auth_token``, unless the environment says what to do."""
    from ray._raylet import Config  # type: ignore[attr-defined]  # it is made by Cython

    if _TOKENS not in os.environ:
        os.environ[_TOKENS] = "token"
        # Ray has read the environment already.
        Config.initialize("")
