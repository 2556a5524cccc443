"""A page of an evaluation that a browser shows without a network: its neighbours, errors and measures.

``write_page`` writes it to one file, and ``write_experiment_page`` that of an experiment. Jinja2 fills its
templates, and Bokeh draws its map and its curves.
"""

try:
    import bokeh  # noqa: F401
    import jinja2  # noqa: F401
    import PIL  # noqa: F401
except ImportError as error:
    raise ModuleNotFoundError(
        f"pages of evaluations need Bokeh, Jinja2 and Pillow ({error}); install them with: "
        'pip install "latentknn[page]"'
    ) from error

from latentknn.pages.experiment_page import write_experiment_page
from latentknn.pages.writing import write_page
from latentknn.public_names import listing

__all__ = ["write_experiment_page", "write_page"]

__dir__ = listing(__all__)
