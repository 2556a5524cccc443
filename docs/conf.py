"""The documentation site, which `make docs` builds: Sphinx, with pages in Markdown and executed notebooks.

Sphinx and its theme by PyData are developed and released in 2026; MkDocs 1 has had no release since 2024, and
Material for MkDocs ends with it. The source folder is the root of the repository, so that links between pages
lead to the same files here and there.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow tells of its start otherwise
sys.path[:0] = [str(Path(__file__).parent / "_extensions"), str(ROOT)]

project = "latentknn"
author = "The latentknn authors"
project_copyright = author
version = release = "0.1"
root_doc = "docs/index"
include_patterns = ["docs/**", "benchmarks/*.md"]
exclude_patterns = ["docs/_*", ".*", "build", "cpp", "python", "tests"]
language = "en"

extensions = [
    "myst_nb",  # Markdown, and notebooks in Markdown (those of jupytext), which are executed by each build
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # NumPy's docstrings
    "sphinx_copybutton",
    "sphinx_design",
    "model_cards",
    "reference",
    "room_tables",
]

# A page that is out of order fails the build: a missing link, a cell that raises, a name that is not there.
nitpicky = False
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_ipywidgets_js = {}  # the only thing that pages would load from elsewhere
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_typehints = "none"  # types stand in the docstrings, with shapes
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"  # the class stands above its methods already
default_role = "public"
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False

html_title = "latentknn"
html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_extra_path = ["_root"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "latentknn"},
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("docs/index", "docs/why", "docs/tutorial")}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
