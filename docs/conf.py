"""How the documents become a site: `make docs`. All of them stay Markdown that can be read as it is."""

from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

project = "TaskTracker"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

html_theme = "furo"
html_title = "TaskTracker"
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
# `make docs` puts the first one there; without it drawings are shown as the text that they are.
html_js_files = ["mermaid.min.js", "drawings.js"]


class Drawing(SphinxDirective):
    """A drawing in the language of Mermaid, drawn by the reader's browser with what this site brings along."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The text of the drawing, for Mermaid to find."""
        return [nodes.raw("", f'<pre class="mermaid">{escape(chr(10).join(self.content))}</pre>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes blocks of Mermaid known to Sphinx."""
    app.add_directive("mermaid", Drawing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
