"""Settings of the documentation: Sphinx reads MyST pages and runs the notebooks among them.

Build with ``sphinx-build -W --keep-going -b html docs docs/_build/html``: a warning is an error,
and so is an exception in a page. A page whose front matter says ``file_format: mystnb`` and names
the kernel ``python3`` is run at every build; nothing that a page prints is stored. Formulas become
MathML in the page itself (``_ext/mathml.py``).
"""

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import tinygrad_edu

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tinygrad_edu"
author = "the tinygrad_edu authors"
project_copyright = "2026, the tinygrad_edu authors"
version = release = tinygrad_edu.__version__

extensions = [
    "drawn",
    "figures",
    "mathml",
    "myst_nb",
    "numpydoc",
    "rows",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nitpicky = True  # a reference that leads nowhere is a warning, and a warning is an error

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_in_temp = True  # what a page writes does not stay in the tree
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 120
nb_merge_streams = True

# Docstrings say types in words; annotations would say them again, longer.
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False  # autodoc shows them
# What stands in single backticks in a docstring: a link where that is documented, else code.
default_role = "autolink"

html_theme = "furo"
html_title = f"tinygrad_edu {release}"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_math_renderer = "mathml"


def leave_out_of_modules(
    _app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Empty the docstring of a module: it tells readers of the source where to read next."""
    if what == "module":
        lines.clear()


def setup(app: Sphinx) -> None:
    """Register what is too small for an extension."""
    app.connect("autodoc-process-docstring", leave_out_of_modules)
