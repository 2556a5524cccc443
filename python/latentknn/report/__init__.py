"""Reports of experiments, for people and for programs.

``write_report`` fills a folder; its ``index.html`` shows everything on one page.
"""

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ModuleNotFoundError(
        f'latentknn\'s reports need Matplotlib ({error}); install it with: pip install "latentknn[report]"'
    ) from error

from latentknn.report.folder import RunFolder
from latentknn.report.writing import write_report

__all__ = ["RunFolder", "write_report"]
