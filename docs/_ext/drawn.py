"""The directive ``{drawn} NAME``: code, and the picture that it makes, light and dark.

The code is run when the docs are built, in a namespace of its own, and shown as it stands; its
last line is an expression: a Diagram, an object with an ``svg``, or the path of a
page that it has written. The option ``alt`` says in words what the picture shows, ``after`` names
an earlier picture of the page whose code is run first, ``hide`` shows the picture alone. A picture
stands in the page itself, so its tooltips work; a page is put beside and shown in a frame.

It knows nothing of what is drawn.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import html
import io
import linecache
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tinygrad_edu.draw import Diagram

PAGES = "_drawn"
"""The folder of pages, inside that of the built docs."""


def run(code: str, name: str, before: str = "") -> Any:
    """Return the value of the last line of some code, which is run in a folder that is thrown away.

    Parameters
    ----------
    code : str
        Ends in an expression.
    name : str
        What the lines of the code are called in diagrams.
    before : str
        Code to be run first.
    """
    file, where = f"{name}.py", os.getcwd()
    space: dict[str, Any] = {"__name__": name}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            exec(compile(before, file, "exec"), space)
            tree = ast.parse(code, file)
            last = tree.body.pop()
            if not isinstance(last, ast.Expr):
                raise ValueError(f"drawn {name}: the last line is no expression")
            # Diagrams quote the user's lines, which they look up by the name of the file.
            linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
            exec(compile(tree, file, "exec"), space)
            value = eval(compile(ast.Expression(last.value), file, "eval"), space)
            if isinstance(value, (str, Path)):
                value = Path(value).read_text(encoding="utf-8")
        finally:
            os.chdir(where)
    return value


def svg_of(value: Any, theme: str) -> str:
    """Return a picture in a theme as SVG whose ids are its own."""
    if isinstance(value, Diagram):
        picture = dataclasses.replace(value.picture, theme=theme)
        value = Diagram(picture, engine=value.engine, timeout=value.timeout)
        svg: str = value._repr_mimebundle_()["image/svg+xml"]
        # In pixels: three quarters of its size, so that more of it is seen at once.
        return re.sub(r"width:([\d.]+)pt", r"width:\1px", svg, count=1)
    return str(value.svg(theme=theme) if callable(value.svg) else value.svg)


class Drawn(SphinxDirective):
    """Code with its picture."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "alt": directives.unchanged_required,
        "after": directives.unchanged_required,
        "height": directives.nonnegative_int,
        "hide": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return the code and its picture."""
        name, code = self.arguments[0], "\n".join(self.content)
        codes = self.env.temp_data.setdefault("drawn", {})
        before = codes[self.options["after"]] if "after" in self.options else ""
        codes[name] = f"{before}\n{code}"
        value = run(code, name, before)
        found: list[nodes.Node] = []
        if "hide" not in self.options:
            found.append(nodes.literal_block(code, code, language="python"))
        alt = html.escape(self.options.get("alt", name), quote=True)
        show = self._page if isinstance(value, str) else self._picture
        return [*found, nodes.raw("", show(name, value, alt), format="html")]

    def _picture(self, _name: str, value: Any, alt: str) -> str:
        """Return a figure with both themes, of which the page shows one."""
        both = "".join(
            f'<div class="only-{theme}">{svg_of(value, theme)}</div>' for theme in ("light", "dark")
        )
        return f'<figure class="drawn" tabindex="0" role="group" aria-label="{alt}">{both}</figure>'

    def _page(self, name: str, page: str, alt: str) -> str:
        """Return a frame for a page that is put into the built docs."""
        # Written beside the doctrees, which a later build keeps; copied when the build is done.
        folder = Path(self.env.app.doctreedir) / PAGES
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(page.encode()).hexdigest()[:8]
        file = f"{name}-{digest}.html"
        (folder / file).write_text(page, encoding="utf-8")
        up = "../" * self.env.docname.count("/")
        height = self.options.get("height", 620)
        return (
            f'<iframe class="drawn" src="{up}{PAGES}/{file}" title="{alt}" height="{height}" '
            f'loading="lazy"></iframe><p><a href="{up}{PAGES}/{file}">This page alone</a></p>'
        )


def put_pages(app: Sphinx, exception: Exception | None) -> None:
    """Copy the pages into the built docs."""
    folder = Path(app.doctreedir) / PAGES
    if exception is None and folder.is_dir():
        shutil.copytree(folder, Path(app.outdir) / PAGES, dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("drawn", Drawn)
    app.connect("build-finished", put_pages)
    # Code is run in a folder of its own, and that belongs to the whole process.
    return {"parallel_read_safe": False, "parallel_write_safe": True}
