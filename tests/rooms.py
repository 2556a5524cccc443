"""The rooms of the repository, and the rooms that each file uses.

    python tests/rooms.py       # draws them into docs/architecture.md

A room is a folder or a single file. ``ALLOWED`` says which rooms each may use, ``uses`` which it does use.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
SUFFIXES = {".py", ".pyi", ".h", ".cpp", ".inl", ".cu", ".cuh"}

CORE, CUDA, PACKAGE, MODELS = "cpp/core", "cpp/cuda", "python/latentknn", "python/latentknn/models"

ALLOWED = {
    f"{CORE}/platform": [],
    f"{CORE}/kernels": [],
    f"{CORE}/isa": [f"{CORE}/kernels", f"{CORE}/platform"],
    f"{CORE}/rows": [f"{CORE}/platform"],
    f"{CORE}/linear": [f"{CORE}/kernels", f"{CORE}/rows"],
    f"{CORE}/layout": [f"{CORE}/linear"],
    f"{CORE}/screening": [f"{CORE}/linear"],
    f"{CORE}/choice": [f"{CORE}/layout", f"{CORE}/screening"],
    f"{CORE}/search/answer_arrays": [],
    f"{CORE}/search": [f"{CORE}/choice", f"{CORE}/search/answer_arrays"],
    f"{CORE}/parts": [f"{CORE}/search"],
    CORE: [f"{CORE}/parts", f"{CORE}/isa"],
    CUDA: [f"{CORE}/platform", f"{CORE}/search/answer_arrays"],
    "cpp/bindings": [CORE, CUDA],
    f"{PACKAGE}/_core": [],
    f"{PACKAGE}/_cuda": [],
    f"{PACKAGE}/array_likes": [],
    f"{PACKAGE}/atomic_file": [],
    f"{PACKAGE}/locks": [],
    f"{PACKAGE}/moved_modules": [],
    f"{PACKAGE}/progress": [],
    f"{PACKAGE}/notebook": [],
    f"{PACKAGE}/public_names": [],
    f"{PACKAGE}/stratifying": [],
    f"{PACKAGE}/arrays": [f"{PACKAGE}/array_likes", f"{PACKAGE}/_core"],
    f"{PACKAGE}/labels": [f"{PACKAGE}/array_likes"],
    f"{PACKAGE}/engines": [
        f"{PACKAGE}/arrays",
        f"{PACKAGE}/locks",
        f"{PACKAGE}/public_names",
        f"{PACKAGE}/_cuda",
    ],
    f"{PACKAGE}/files": [f"{PACKAGE}/atomic_file"],
    f"{PACKAGE}/index": [
        f"{PACKAGE}/engines",
        f"{PACKAGE}/labels",
        f"{PACKAGE}/files",
        f"{PACKAGE}/progress",
        f"{PACKAGE}/notebook",
    ],
    f"{PACKAGE}/classification": [f"{PACKAGE}/index"],
    f"{PACKAGE}/shards": [f"{PACKAGE}/index", f"{PACKAGE}/files"],
    f"{PACKAGE}/distributed": [f"{PACKAGE}/shards", f"{PACKAGE}/classification", f"{PACKAGE}/encoders"],
    PACKAGE: [f"{PACKAGE}/index", f"{PACKAGE}/moved_modules"],
    f"{PACKAGE}/datasets": [
        f"{PACKAGE}/labels",
        f"{PACKAGE}/notebook",
        f"{PACKAGE}/public_names",
        f"{PACKAGE}/stratifying",
    ],
    f"{PACKAGE}/encoders": [f"{PACKAGE}/array_likes", f"{PACKAGE}/progress", f"{PACKAGE}/public_names"],
    f"{MODELS}/backend": [],
    f"{MODELS}/images": [],
    f"{MODELS}/registry": [],
    f"{MODELS}/errors": [f"{MODELS}/registry"],
    f"{MODELS}/layers": [f"{MODELS}/backend", f"{MODELS}/images"],
    f"{MODELS}/training": [f"{MODELS}/layers"],
    f"{MODELS}/base": [f"{MODELS}/training", f"{MODELS}/errors", f"{PACKAGE}/files", f"{PACKAGE}/progress"],
    f"{MODELS}/autoencoders": [f"{MODELS}/base"],
    f"{MODELS}/generative": [f"{MODELS}/base"],
    f"{MODELS}/self_supervised": [f"{MODELS}/base"],
    f"{MODELS}/supervised": [f"{MODELS}/base", f"{PACKAGE}/stratifying"],
    MODELS: [f"{MODELS}/autoencoders", f"{PACKAGE}/public_names"],
    f"{PACKAGE}/evaluation": [
        f"{PACKAGE}/classification",
        f"{PACKAGE}/datasets",
        f"{PACKAGE}/encoders",
        f"{PACKAGE}/stratifying",
        MODELS,
    ],
    f"{PACKAGE}/doctor": [PACKAGE],
    f"{PACKAGE}/report": [f"{PACKAGE}/evaluation", f"{PACKAGE}/doctor"],
    f"{PACKAGE}/exporters": [f"{PACKAGE}/evaluation"],
    f"{PACKAGE}/pages": [f"{PACKAGE}/evaluation"],
    f"{PACKAGE}/cli": [
        f"{PACKAGE}/report",
        f"{PACKAGE}/exporters",
        f"{PACKAGE}/pages",
        f"{PACKAGE}/distributed",
    ],
    f"{PACKAGE}/__main__": [f"{PACKAGE}/cli"],
}
"""The other rooms that the files of each room may use.

A room may also use what the rooms beside its name may use. A file belongs to the room with the longest name
that fits, so that a new file beside rooms belongs to the folder that holds them.
"""


def without_suffix(file: str) -> str:
    return re.sub(r"\.\w+$", "", file).removesuffix("/__init__")


def room_of(place: str) -> str | None:
    """Return the room of a file or folder, given by its path from the root, without a suffix."""
    fitting = [room for room in ALLOWED if f"{place}/".startswith(f"{room}/")]
    return max(fitting, key=len, default=None)


def reach(room: str) -> set[str]:
    """Return the rooms that a room may use, itself among them."""
    return {room}.union(*(reach(other) for other in ALLOWED[room]))


def files_of(room: str) -> list[str]:
    """Return the paths of a room's files from the root."""
    paths = (ROOT / room.partition("/")[0]).rglob("*")
    files = [path.relative_to(ROOT).as_posix() for path in paths if path.suffix in SUFFIXES]
    return [file for file in sorted(files) if room_of(without_suffix(file)) == room]


def used_places(file: str, source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and place of each file that a file uses, without imports for types alone."""
    if file.endswith((".py", ".pyi")):
        for line, module in imported_modules(ast.parse(source)):
            if module.split(".")[0] == "latentknn":
                yield line, module, place_of(module)
        return
    for line, text in enumerate(source.splitlines(), 1):
        included = re.match(r'\s*#include "([^"]+)"', text)
        if included:
            folders = (Path(file).parent.as_posix(), CORE, CUDA)
            found = [folder for folder in folders if (ROOT / folder / included[1]).is_file()]
            if found:  # otherwise it is a header of the emulated device
                yield line, included[1], without_suffix(f"{found[0]}/{included[1]}")


def place_of(module: str) -> str:
    return f"python/{module.replace('.', '/')}"


def exists(place: str) -> bool:
    return (ROOT / place).is_dir() or any((ROOT / f"{place}{suffix}").is_file() for suffix in (".py", ".pyi"))


def imported_modules(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each module that is imported below a node, without imports for types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imported_modules(ast.Module(child.orelse, []))
        elif isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative imports are not used here"
            for alias in child.names:
                module = f"{child.module}.{alias.name}"
                yield child.lineno, module if exists(place_of(module)) else str(child.module)
        else:
            yield from imported_modules(child)


def uses(room: str) -> set[str]:
    """Return the other rooms that a room's files use."""
    found = {
        room_of(place)
        for file in files_of(room)
        for _, _, place in used_places(file, (ROOT / file).read_text(encoding="utf-8"))
    }
    return {other for other in found if other is not None} - {room}


def picture(nodes: dict[str, list[str]]) -> str:
    """Return a Mermaid picture of nodes, each of which stands for some rooms.

    An arrow leads to each node that another uses, unless it is reached by way of other nodes.
    """
    node_of = {room: node for node, rooms in nodes.items() for room in rooms}
    arrows = {
        node: {node_of[other] for room in rooms for other in uses(room) if other in node_of} - {node}
        for node, rooms in nodes.items()
    }

    def reached(node: str) -> set[str]:
        return arrows[node].union(*(reached(other) for other in arrows[node]))

    lines = ["```mermaid", "flowchart TD"]
    for node in nodes:
        beyond: set[str] = set().union(*(reached(other) for other in arrows[node]))
        lines += [f"  {node} --> {other}" for other in nodes if other in arrows[node] - beyond]
        if not arrows[node] and not any(node in others for others in arrows.values()):
            lines.append(f"  {node}")
    return "\n".join([*lines, "```"])


def pictures() -> dict[str, str]:
    """Return the pictures of the page, by their marks in it."""
    core = [room for room in ALLOWED if room.startswith("cpp")]
    models = [room for room in ALLOWED if room.startswith(MODELS)]
    package = [room for room in ALLOWED if room.startswith(PACKAGE) and room not in models]
    name = {CORE: "database", CUDA: "cuda", MODELS: "models", PACKAGE: "latentknn"}

    def short(room: str) -> str:
        return name.get(room, room.rpartition("/")[2])

    return {
        "core": picture({short(room): [room] for room in reversed(core)}),
        "package": picture({**{short(room): [room] for room in reversed(package)}, "models": models}),
        "models": picture({short(room): [room] for room in reversed(models)}),
    }


def page_with_pictures(page: str) -> str:
    for mark, drawn in pictures().items():
        before, begin, rest = page.partition(f"<!-- {mark} -->\n")
        assert begin, f"{PAGE.name} has no place for the picture {mark!r}"
        page = before + begin + drawn + "\n" + rest[rest.index("<!-- end -->") :]
    return page


if __name__ == "__main__":
    PAGE.write_text(page_with_pictures(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
