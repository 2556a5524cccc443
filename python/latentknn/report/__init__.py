"""Reports of experiments, for people and for programs.

``write_report`` fills a folder; its ``index.html`` shows everything on one page. ``draw_neighbours`` draws
queries beside their nearest neighbours. Matplotlib is imported when one of the two is first asked for.
"""

from typing import TYPE_CHECKING, Any

from latentknn.public_names import importing, listing
from latentknn.report.folder import RunFolder

if TYPE_CHECKING:
    from latentknn.report.neighbour_figure import draw_neighbours
    from latentknn.report.writing import write_report

__all__ = ["RunFolder", "draw_neighbours", "write_report"]

__dir__ = listing(__all__)

_MODULES = {
    "draw_neighbours": f"{__name__}.neighbour_figure",
    "write_report": f"{__name__}.writing",
}
_import = importing(__name__, _MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ModuleNotFoundError(
                f"latentknn's reports need Matplotlib ({error}); install it with: "
                'pip install "latentknn[report]"'
            ) from error
    return _import(name)
