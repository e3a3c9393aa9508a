"""A Sphinx extension that writes formulas into the page as MathML, which browsers draw themselves.

Sphinx's own renderers load a script from elsewhere or need a LaTeX installation; with this one a
page works without a network. The translation is docutils' own. A formula that it cannot read is a
warning that quotes the formula, so with warnings as errors no page shows a broken one.

It knows nothing of the project. Numbered equations are not supported: refer to them by page.
"""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def mathml(node: nodes.math | nodes.math_block, *, as_block: bool) -> str:
    """Return the formula of ``node`` as MathML, or quoted as code if it cannot be read."""
    formula = node.astext()
    # The translation reads arguments in braces only: "\\frac12 x" would be 12 over x.
    braced = re.sub(r"\\frac([0-9A-Za-z])([0-9A-Za-z])", r"\\frac{\1}{\2}", formula)
    try:
        return tex2mathml(re.sub(r"\\dots\b", r"\\ldots", braced), as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", formula, error, location=node)
        return f"<code>{html.escape(formula)}</code>"


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write the formula of a sentence."""
    translator.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone, in a box that scrolls when it is wider than the page."""
    translator.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
