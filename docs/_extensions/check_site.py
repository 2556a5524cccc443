"""Checks the pages of a built site: links and anchors lead somewhere, and nothing is loaded from elsewhere.

python docs/_extensions/check_site.py build/site
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
_FOLLOWED = {("a", "href"), *_LOADED}
_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?(?!data:|#)([^"')\s]+)""")


class _Page(HTMLParser):
    """The links, the anchors and the styles of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, bool]] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in _FOLLOWED and value:
                self.links.append((value, (tag, name) in _LOADED))


def faults(site: Path) -> Iterator[str]:
    """Say what is wrong with a site, a sentence each."""
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in files}
    if not pages:
        yield f"{site} has no pages"
    for path, page in pages.items():
        for link, loaded in page.links:
            fault = _fault(link, loaded, path, pages)
            if fault:
                yield f"{path.relative_to(site)}: {link!r} {fault}"
    for path in site.rglob("*.css"):
        for link in _IN_STYLE.findall(path.read_text(encoding="utf-8")):
            fault = _fault(link, True, path, pages)
            if fault:
                yield f"{path.relative_to(site)}: {link!r} {fault}"


def _fault(link: str, loaded: bool, source: Path, pages: dict[Path, _Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        return "is loaded from elsewhere" if loaded else ""
    target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
    if not target.is_file():
        return "leads nowhere"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "has no such anchor"
    return ""


def main() -> int:
    """Print the faults of the site that the command line names; 1 if there are any."""
    found = [*faults(Path(sys.argv[1]).resolve())]
    print(
        "\n".join(found)
        or f"{sys.argv[1]}: all links and anchors are right, and nothing is loaded from elsewhere"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
