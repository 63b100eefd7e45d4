"""The site that Sphinx makes of docs/, examples/ and the docstrings; CONTRIBUTING.md says how.

The Markdown stays as a code host shows it: what only the site needs is made here.
"""

import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
# fastrnn.mpi is imported for its docstrings, without MPI: in a world of one process.
sys.modules["mpi4py"] = SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD=SimpleNamespace(size=1)))

from public_names import EXTRAS, MODULES, public_methods, public_objects  # noqa: E402

import fastrnn  # noqa: E402

project = "fastrnn"
project_copyright = "fastrnn developers"
version = release = fastrnn.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.viewcode", "sphinx_gallery.gen_gallery"]
myst_heading_anchors = 4  # depth of the headings that links lead to
default_role = "literal"  # what `this` is in docstrings
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False  # object_page lists them
toc_object_entries_show_parents = "hide"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/uses",
    "doc_module": ("fastrnn",),  # whose pages show the examples that use it
    "log_level": {"backreference_missing": "debug"},  # not everything has one
    "capture_repr": (),  # what is printed is shown, and nothing else
    "download_all_examples": False,
    "write_computation_times": False,
}

PAGES_ALONE = ["performance", "how-it-works", "contributing", "changelog"]
"""Pages of the first level with none below."""

html_theme = "pydata_sphinx_theme"
html_title = "fastrnn"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"  # which needs no script
html_show_sourcelink = html_copy_source = False
html_use_index = html_domain_indices = False  # the reference is one
html_sidebars = {page: [] for page in PAGES_ALONE}
html_theme_options = {
    "logo": {"text": "fastrnn"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

MODULE_PAGES = [*MODULES, *EXTRAS.values()]


def site_name(name):
    """What a public name is called here: estimators are imported from fastrnn itself."""
    return name.replace("fastrnn.estimators", "fastrnn")


OBJECTS = {site_name(name): thing for name, thing in public_objects(MODULE_PAGES).items()}
OBJECTS["fastrnn.show_versions"] = fastrnn.show_versions
NAMES = [*OBJECTS, *map(site_name, public_methods(MODULE_PAGES))]


# The reference: a page for every module, and one for every class and function in it.


def write_reference(app):
    """Write the pages of docs/api, as far as they have changed."""
    modules = [site_name(name) for name in MODULE_PAGES]
    pages = {"index": heading("API reference") + contents(modules)}
    for module in modules:
        names = sorted(name for name in OBJECTS if name.rpartition(".")[0] == module)
        pages[module] = f"{heading(module)}.. automodule:: {module}\n\n{contents(names, module)}"
        pages |= {name: object_page(module, name) for name in names}
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    for old in set(folder.iterdir()) - {folder / f"{name}.rst" for name in pages}:
        old.unlink()
    for name, text in pages.items():
        page = folder / f"{name}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def check_reference(app, env):
    """Warn of public names that are on no page."""
    for name in NAMES:
        if name not in env.domains.python_domain.objects:
            logger.warning("no page has %s", name)


def forget_compiled(app, env):
    """Let the list of sources, which viewcode writes, have no modules whose source it lacks."""
    sources = env._viewcode_modules
    for module in [module for module, source in sources.items() if not source]:
        del sources[module]


def heading(title):
    """A title, underlined."""
    return f"{title}\n{'=' * len(title)}\n\n"


def contents(names, module=""):
    """A table of names with what each is, and the pages beside this one that are about them."""
    table = [".. autosummary::", "   :nosignatures:", ""]
    table += [f"   {name.removeprefix(f'{module}.')}" for name in names]
    pages = [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names)]
    return "\n".join([*table, "", *pages, ""])


def object_page(module, name):
    """A class with its methods, or a function, and the examples that use it."""
    kind, members = "function", ""
    if isinstance(OBJECTS[name], type):
        kind = "exception" if issubclass(OBJECTS[name], Exception) else "class"
        own = [member.rpartition(".")[2] for member in NAMES if member.startswith(f"{name}.")]
        members = f"   :members: {', '.join(own)}\n" if own else ""
    title = name.rpartition(".")[2]
    return (
        f"{heading(title)}.. currentmodule:: {module}\n\n"
        f".. auto{kind}:: {title}\n{members}\n"
        f".. minigallery:: {name}\n   :add-heading: Gallery\n"
    )


# The guide: its links, and its lists of pages, which are the tables of contents, too.

ELSEWHERE = {
    "../README.md#use-it": "api/fastrnn.layers.rst",
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../examples": "gallery/index.rst",
    "../fastrnn": "api/index.rst",
}
"""What lies outside of docs, and the page that has it; of other files the name alone is left."""


def read_page(app, name, source):
    """Let links lead to pages of the site; below the lists of pages, add them as its contents."""

    def lead(match):
        label, target = match.groups()
        page = ELSEWHERE.get(target)
        return f"[{label}]({page})" if page else f"`{label}`"

    text = re.sub(r"\[([^\]]+)\]\((\.\./[^)]+)\)", lead, source[0])
    if name in ("index", "guide"):
        for caption, items in re.findall(r"^\*\*(.+)\*\*\n\n((?:[- ] .*\n)+)", text, re.MULTILINE):
            pages = re.findall(r"\]\(([^)#]+)\.(?:md|rst)\)", items)
            if name == "guide":
                pages = [page for page in pages if page not in PAGES_ALONE]
            text += "\n".join(
                ["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```\n"]
            )
    source[0] = text


# Names in the text.


def endings(name):
    """The name without fastrnn, without the module, and so on: what it may be called in a text."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


COUNTS = Counter(end for name in NAMES for end in endings(name))
KNOWN = {
    end: name
    for name in NAMES
    for end in endings(name)
    # Others have an LSTM, too, and a method that is one common word, such as run.
    if COUNTS[end] == 1 and not end.isupper() and (name in OBJECTS or re.search("[._]", end))
}
"""What may be called so, if nothing else may."""
NOT_LINKED = nodes.reference | nodes.title | addnodes.pending_xref


class LinkNames(SphinxTransform):
    """Inline code that is a public name leads to its page."""

    default_priority = 500

    def apply(self):
        """Wrap them in references."""
        for code in list(self.document.findall(nodes.literal)):
            name = self.full_name(code)
            if name and not isinstance(code.parent, NOT_LINKED):
                link = addnodes.pending_xref(
                    "", refdomain="py", reftype="obj", reftarget=name, refdoc=self.env.docname
                )
                code.replace_self(link)
                link += code

    def full_name(self, code):
        """The public name that is meant, or None: in a class first that of a method."""
        text, node = code.astext().removesuffix("()"), code
        while node := node.parent:
            if isinstance(node, addnodes.desc) and node["objtype"] == "class":
                inner = f"{node[0]['module']}.{node[0]['fullname']}.{text}"
                if inner in NAMES:
                    return inner
        return KNOWN.get(text)


# Equations as MathML, which browsers draw by themselves.


def visit_math(writer, node):
    """Write an equation."""
    try:
        if isinstance(node, nodes.math_block):
            equation = tex2mathml(node.astext(), as_block=True)
            writer.body.append(f'<div class="equation">{equation}</div>')
        else:
            writer.body.append(tex2mathml(node.astext()))
    except MathError as error:
        logger.warning(str(error), location=node)
    raise nodes.SkipNode


def setup(app):
    """Let Sphinx know."""
    app.connect("builder-inited", write_reference)
    app.connect("env-updated", forget_compiled)
    app.connect("env-check-consistency", check_reference)
    app.connect("source-read", read_page)
    app.add_transform(LinkNames)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
