"""Reports of experiments, for people and for programs.

``write_report`` fills a folder; its ``index.html`` shows everything on one page. Matplotlib is imported when
it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from latentknn.public_names import listing
from latentknn.report.folder import RunFolder

if TYPE_CHECKING:
    from latentknn.report.writing import write_report

__all__ = ["RunFolder", "write_report"]

__dir__ = listing(__all__)


def __getattr__(name: str) -> Any:
    if name != "write_report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ModuleNotFoundError(
            f"latentknn's reports need Matplotlib ({error}); install it with: "
            'pip install "latentknn[report]"'
        ) from error
    from latentknn.report.writing import write_report

    return write_report
