"""Writes a card for each model into docs/models, from its class and from benchmarks/results."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layer_picture import Shape, layer_picture
from sphinx.application import Sphinx

from benchmarks.harness.markdown import NOTHING, table
from benchmarks.zoo.recipes import DATA, recipes_on
from benchmarks.zoo.rows import read_rows
from latentknn.models import MODELS, ModelEntry

FOLDER = "docs/models"
_TITLES = {"fashion_mnist": "Fashion-MNIST", "mnist": "MNIST"}
_SHAPING = {"Conv2D", "Dense", "Flatten", "GlobalAveragePooling2D", "MaxPooling2D"}
_COLUMNS = [
    "trained as",
    "on",
    "numbers in a code",
    "1-NN",
    "chosen vote",
    "its accuracy",
    "epochs",
    "trained for, processor s",
]


def write_cards(app: Sphinx) -> None:
    """Write the card of every model, and the page that lists them."""
    root = Path(app.srcdir)
    rows = {data: read_rows(data) for data in DATA}
    pages = {"index": _list(rows)} | {name: _card(root, entry, rows) for name, entry in MODELS.items()}
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.stem not in pages:
            file.unlink()
    for stem, text in pages.items():
        page = folder / f"{stem}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _list(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        [f"[`{name}`]({name}.md)", entry.description, "yes" if entry.uses_labels else "no"]
        + [_best(name, data, rows[data]) for data in DATA]
        for name, entry in MODELS.items()
    ]
    columns = ["model", "what it is", "learns from labels", *(_TITLES[data] for data in DATA)]
    return f"""# Models

Every model turns images into codes, by `lk.models.create(name)` or the class on its card. The figures are
accuracies on the whole test set, by the vote that was best on held-out images, of the best of the ways in
which a model was trained; raw pixels have {_pixels(rows)}.
[The zoo](../../benchmarks/zoo.md) has intervals and times, and says how all of it was measured.

{table(columns, lines)}

```{{toctree}}
:hidden:

{chr(10).join(MODELS)}
```
"""


def _card(root: Path, entry: ModelEntry, rows: dict[str, dict[str, Any]]) -> str:
    model_class = entry.load_class()
    model = model_class()
    shapes = _shapes(model)
    picture = layer_picture(shapes, f"the encoder of {entry.name}: {', then '.join(map(str, shapes))}")
    description, references = _described(inspect.getdoc(model_class) or "")
    link = f"{{py:obj}}`~latentknn.models.{entry.class_name}`"
    about = [
        ["code", f"{model.latent_dim:,} numbers by default"],
        ["parameters", f"{model.count_params():,} for images of 28 × 28"],
        ["learns from labels", "yes" if entry.uses_labels else "no"],
        ["can", ", ".join(f"`{name}`" for name in sorted(entry.capabilities))],
        ["source", references or "no paper; the class describes it"],
    ]
    return f"""# {entry.name}

{entry.description[0].upper()}{entry.description[1:]}.

```{{raw}} html
{picture}
```

{description}

{table(["class", link], about)}

## Figures

{_figures(entry.name, rows)}
{_samples(root, entry.name)}"""


def _shapes(model: Any) -> list[Shape]:
    """Return the shapes that an image takes on in a model's encoder, from the image to the code."""
    found: list[Shape] = [(28, 28, 1)]
    for layer in model.encoder.layers:
        shape = tuple(layer.output.shape[1:])
        if type(layer).__name__ in _SHAPING and shape != found[-1]:
            found.append(shape)
    if found[-1] != (model.latent_dim,):
        found.append((model.latent_dim,))
    return found


def _described(docstring: str) -> tuple[str, str]:
    """Return the paragraphs before the parameters, and the references, of a docstring of NumPy's style."""
    sections = re.split(r"\n\n([A-Z][a-z]+)\n-+\n", docstring)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    references = re.sub(r"\.\. \[\d+\]", "", named.get("References", ""))
    return _markdown(sections[0]), " ".join(re.sub(r" ?\[\d+\]_", "", references).split())


def _markdown(text: str) -> str:
    return re.sub(r" ?\[\d+\]_", "", text).replace("``", "`")


def _figures(name: str, rows: dict[str, dict[str, Any]]) -> str:
    lines = list(_rows_of(name, rows))
    if not lines:
        return "It has not been measured yet."
    return (
        f"{table(_COLUMNS, lines)}\n\nAccuracies of the whole test set, with 95 % intervals; the vote was "
        "chosen on held-out images. [The zoo](../../benchmarks/zoo.md) says how they were measured."
    )


def _rows_of(name: str, rows: dict[str, dict[str, Any]]) -> Iterator[list[str]]:
    for data in DATA:
        for recipe in recipes_on(data):
            if recipe.model == name and (row := rows[data].get(recipe.key)):
                vote = row["vote"]
                yield [
                    recipe.key,
                    _TITLES[data],
                    str(row["latent_dim"]),
                    _interval(row["nearest"]),
                    f"k = {vote['k']}" + (f", {vote['weights']}" if vote["k"] > 1 else ""),
                    _interval(row["chosen"]),
                    str(row["recipe"]["epochs"]),
                    f"{row['training_processor_seconds']:,.0f}",
                ]


def _samples(root: Path, name: str) -> str:
    keys = [recipe for recipe in recipes_on("fashion_mnist") if recipe.model == name]
    pictures = [(each.key, f"{each.file_name}.png") for each in keys]
    there = [(key, file) for key, file in pictures if (root / "docs" / "samples" / file).is_file()]
    if name == "conv_ae":
        there.insert(0, ("test images of Fashion-MNIST and their reconstructions", "../reconstructions.png"))
    return "".join(f"\n![{key}](../samples/{file})\n\n*{key}*\n" for key, file in there)


def _best(name: str, data: str, rows: dict[str, Any]) -> str:
    found = [row["chosen"]["value"] for key, row in rows.items() if row["recipe"]["model"] == name]
    return f"{max(found):.3f}" if found else NOTHING


def _pixels(rows: dict[str, dict[str, Any]]) -> str:
    values = [
        f"{next(iter(rows[data].values()))['pixels']['value']:.3f} on {_TITLES[data]}"
        for data in DATA
        if rows[data]
    ]
    return " and ".join(values)


def _interval(accuracy: dict[str, float]) -> str:
    return "{value:.4f} ({low:.4f}–{high:.4f})".format(**accuracy)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the cards before Sphinx looks for sources."""
    app.connect("builder-inited", write_cards)
    return {"parallel_read_safe": True}
