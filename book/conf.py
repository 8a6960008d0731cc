"""Sphinx's settings. The pages are filled by srlib.site before Sphinx sees them."""

import re
import textwrap

from docutils.utils.math.latex2mathml import tex2mathml

from srlib import __version__

project = "srlib"
author = copyright = "The srlib developers"
release = version = __version__
html_title = "srlib: the workbook of arbitrary-scale super-resolution"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["code", "results", "_build"]
nb_execution_mode = "off"
nb_code_prompt_show = nb_code_prompt_hide = "code"
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
suppress_warnings = ["myst.header"]
html_math_renderer = "mathml"
math_number_all = False
math_eqref_format = "Eq. {number}"

html_theme = "furo"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_extra_path = ["results"]
html_show_sphinx = html_show_sourcelink = html_copy_source = html_show_search_summary = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#a34700", "color-brand-content": "#0a5e99"},
    "dark_css_variables": {"color-brand-primary": "#ff9e57", "color-brand-content": "#7cc1f0"},
    "navigation_with_keys": False,
}
pygments_style, pygments_dark_style = "friendly", "monokai"
templates_path = ["_templates"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
copybutton_exclude = ".linenos, .gp"


def mathml(self, node, *, block):
    """Equations as MathML, which browsers draw themselves: no script, no font."""
    made = tex2mathml(node.astext().strip(), as_block=block)
    self.body.append(made if isinstance(made, str) else made.toxml() if hasattr(made, "toxml") else str(made))


def visit_math(self, node):
    from docutils import nodes

    mathml(self, node, block=False)
    raise nodes.SkipNode


def visit_block(self, node):
    from docutils import nodes

    number = ""
    if node.get("label"):
        number = f'<span class="eqno" id="equation-{node["label"]}">{node["label"].rpartition("-")[2]}</span>'
    self.body.append(self.starttag(node, "div", CLASS="math equation"))
    mathml(self, node, block=True)
    self.body.append(f"{number}</div>\n")
    raise nodes.SkipNode


def plain(app, what, name, obj, options, lines):
    """Docstrings here are plain text with `code` and indented equations; make reStructuredText of them."""
    made, literal = [], False
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        indented = line.startswith(("    ", ">>> ", "- "))
        if line.strip() and indented and not literal:
            made += ["", "::", ""]
        if line.strip():
            literal = indented
        if literal or not line.strip():
            made.append(f"    {line}" if line.strip() else "")
            continue
        parts = re.split(r"(`[^`]+`)", line)
        marked = [f"`{part}`" if part.startswith("`") else re.sub(r"([*|_\\])", r"\\\1", part) for part in parts]
        made.append("".join(marked))
    lines[:] = [*made, ""]


def setup(app):
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_block, None))
    app.connect("autodoc-process-docstring", plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
