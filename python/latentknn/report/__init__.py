"""What an experiment found, written for people and for programs.

``write_report`` fills a folder; its ``index.html`` shows everything on one page.
"""

from latentknn.report.folder import RunFolder
from latentknn.report.writing import write_report

__all__ = ["RunFolder", "write_report"]
