"""Check a site that Sphinx has built: its links, and what its pages load.

    python tools/check_site.py build/site

Every link inside the site leads to a file and, after #, to a place in it. No page loads anything
from elsewhere, so that all of it works offline. Prints what is wrong, and exits with 1 if anything
is.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("source", "srcset")}


class Page(HTMLParser):
    """The places of a page, and what it refers to: (tag, attribute) and where."""

    def __init__(self, path):
        super().__init__()
        self.places, self.references = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.places.add(value)
            elif name in ("href", "src", "srcset") and value:
                self.references.append(((tag, name), value))


def problems(site):
    """Yield what is wrong, each with the page where it is."""
    paths = [path for path in sorted(site.rglob("*.html")) if path.parent.name != "_static"]
    pages = {path.resolve(): Page(path) for path in paths}  # templates of the theme are no pages
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        for kind, reference in page.references:
            url = urlsplit(reference)
            if url.scheme == "data":
                continue
            if url.scheme or url.netloc:
                if kind in LOADED:
                    yield f"{where}: loads {reference}"
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.is_file():
                yield f"{where}: no file {reference}"
            elif url.fragment and target in pages:
                if unquote(url.fragment) not in pages[target].places:
                    yield f"{where}: no such place, {reference}"


if __name__ == "__main__":
    (folder,) = sys.argv[1:]
    found = list(problems(Path(folder)))
    print(*found, f"{len(found)} problems", sep="\n")
    sys.exit(1 if found else 0)
