"""Files of evaluated codes for other programs.

``CodeTable`` puts codes and what an evaluation found out about them side by side. ``write_projector`` writes
it for TensorBoard's embedding projector, ``write_atlas`` for Embedding Atlas. ``write_items`` writes the
items of an evaluation as CSV.
"""

from latentknn.exporters.atlas import write_atlas
from latentknn.exporters.code_table import CodeTable
from latentknn.exporters.items import write_items
from latentknn.exporters.projector import write_projector
from latentknn.public_names import listing

__all__ = ["CodeTable", "write_atlas", "write_items", "write_projector"]

__dir__ = listing(__all__)
