"""Writes a page for each public name into docs/reference, from ``__all__`` of the packages that show them.

What is shown by several packages has its page with the first of them. Docstrings say all else.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.roles import XRefRole

FOLDER = "docs/reference"


@dataclass(frozen=True)
class PublicName:
    """A name that a package promises."""

    package: ModuleType
    name: str
    value: Any

    @property
    def path(self) -> str:
        """The name with its package."""
        return f"{self.package.__name__}.{self.name}"

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return re.sub(r" ?\[\d+\]_", "", " ".join(self.docstring.split("\n\n")[0].split()))

    @property
    def docstring(self) -> str:
        """Its docstring; that of a constant stands below it, where it is assigned."""
        if inspect.isclass(self.value) or inspect.isroutine(self.value):
            return inspect.getdoc(self.value) or ""
        return docstring_of_constant(self.package, self.name)


def public_packages(name: str = "latentknn") -> Iterator[ModuleType]:
    """Yield a package and those that it shows, by way of the names that it promises."""
    package = import_module(name)
    yield package
    for each in package.__all__:
        value = getattr(package, each)
        if inspect.ismodule(value):
            yield from public_packages(value.__name__)


def public_names() -> dict[ModuleType, list[PublicName]]:
    """Return the names that have their page with each package."""
    seen: set[int] = set()
    found: dict[ModuleType, list[PublicName]] = {}
    for package in public_packages():
        found[package] = []
        for name in package.__all__:
            value = getattr(package, name)
            documented = inspect.isclass(value) or inspect.isroutine(value)
            if inspect.ismodule(value) or name == "__version__" or (documented and id(value) in seen):
                continue
            seen.add(id(value))
            found[package].append(PublicName(package, name, value))
    return found


def docstring_of_constant(package: ModuleType, name: str) -> str:
    """Return the string below the assignment of a constant, in the module that a package has it from."""
    source = Path(str(package.__file__)).parent
    for file in sorted(source.rglob("*.py")):
        module = f"{package.__name__}.{file.relative_to(source).with_suffix('').as_posix().replace('/', '.')}"
        found = ModuleAnalyzer.for_string(file.read_text(encoding="utf-8"), module).find_attr_docs()
        if ("", name) in found:
            return inspect.cleandoc("\n".join(found["", name]))
    return ""


def write_pages(app: Sphinx) -> None:
    """Write all pages, and delete those of names that are gone."""
    folder = Path(app.srcdir) / FOLDER
    pages = {"index": _index(found := public_names())}
    for package, names in found.items():
        pages[package.__name__] = _package_page(package, names)
        pages |= {each.path: _name_page(each) for each in names}
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.stem not in pages:
            file.unlink()
    for stem, text in pages.items():
        page = folder / f"{stem}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _index(found: dict[ModuleType, list[PublicName]]) -> str:
    lines = [_heading("Reference"), "Every public name, by the package that shows it.", ""]
    lines += [".. list-table::", "   :widths: 30 70", ""]
    for package in found:
        lines += [f"   * - :doc:`{package.__name__}`", f"     - {_sentence(package)}"]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {package.__name__}" for package in found)]
    return "\n".join(lines) + "\n"


def _package_page(package: ModuleType, names: list[PublicName]) -> str:
    lines = [_heading(package.__name__), f".. module:: {package.__name__}", "", _sentence(package), ""]
    if names:
        lines += [".. list-table::", "   :widths: 30 70", ""]
        for each in names:
            lines += [f"   * - :doc:`{each.name} <{each.path}>`", f"     - {each.summary}"]
        lines += ["", ".. toctree::", "   :hidden:", ""]
        lines += [f"   {each.name} <{each.path}>" for each in names]
    elsewhere = [name for name in package.__all__ if name not in {each.name for each in names}]
    elsewhere = [name for name in elsewhere if not inspect.ismodule(getattr(package, name))]
    if "__version__" in elsewhere:
        elsewhere.remove("__version__")
    if elsewhere:
        lines += ["", f"It also shows {', '.join(f'``{name}``' for name in elsewhere)}, of other packages."]
    return "\n".join(lines) + "\n"


def _name_page(each: PublicName) -> str:
    lines = [_heading(each.name), f".. currentmodule:: {each.package.__name__}", ""]
    if inspect.isclass(each.value):
        lines += [f".. autoclass:: {each.name}", "   :members:", *_class_options(each.value)]
    elif inspect.isroutine(each.value):
        lines.append(f".. autofunction:: {each.name}")
    else:
        lines += [f".. py:data:: {each.name}", ""]
        lines += [f"   {line}" for line in each.docstring.splitlines()]
    return "\n".join(lines) + "\n"


def _class_options(value: type) -> list[str]:
    """Return which inherited members are shown: those that other classes of the project have no page for."""
    ours = [base for base in value.__mro__[1:] if base.__module__.startswith("latentknn")]
    others = [base.__name__ for base in value.__mro__[1:] if base not in ours]
    has_page = [base for base in ours if hasattr(import_module("latentknn.models"), base.__name__)]
    options = []
    if ours and not has_page:
        options.append(f"   :inherited-members: {', '.join(others)}")
    if has_page:
        options.append("   :show-inheritance:")
    left_out = [*getattr(value, "_fields", ()), *_names_of_sklearn(value)]
    if left_out:
        options.append(f"   :exclude-members: {', '.join(left_out)}")
    return options


def _names_of_sklearn(value: type) -> list[str]:
    """Return the methods that scikit-learn gives every estimator, for the routing of metadata."""
    return [name for name in dir(value) if re.fullmatch(r"set_\w+_request", name)]


def link(
    role: str, rawtext: str, text: str, line: int, inliner: Inliner, options: Any = None, content: Any = ()
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Show a name of a docstring as code, with a link if it is public or belongs to a public class."""
    first, _, rest = text.removeprefix("latentknn.").rpartition("/")[2].partition(".")
    target = _paths().get(first)
    if target is None:
        return [nodes.literal(rawtext, text)], []
    shown = f"{text} <{target}{'.' + rest if rest else ''}>"
    return XRefRole()("py:obj", rawtext, shown, line, inliner, options or {}, content)


@cache
def _paths() -> dict[str, str]:
    return {each.name: each.path for names in public_names().values() for each in names}


def _sentence(package: ModuleType) -> str:
    return " ".join((package.__doc__ or "").strip().split("\n\n")[0].split())


def _heading(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for sources."""
    app.connect("builder-inited", write_pages)
    app.add_role("public", link)
    return {"parallel_read_safe": True}
