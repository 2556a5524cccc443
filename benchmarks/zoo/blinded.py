"""How many generated images can be recognised, counted by eyes that do not know whose they are.

    python -m benchmarks.zoo.blinded draw       # after zoo/measure.py; sheets go to build/blinded/
    python -m benchmarks.zoo.blinded count ++-++...  +-+++...      # a word a sheet, a sign an image

`draw` mixes forty images of every generative model, as they come, with forty test images, at random, and
draws them onto sheets of forty. Which image is whose is the key, results/blinded.json, at which nobody looks
before counting. `count` takes + for an image that is a piece of clothing, - for one that is not, row by row,
keeps the signs beside the key, and prints how many of each model's were recognised.
"""

import argparse
import random
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.harness.command_line import parser
from benchmarks.harness.markdown import table
from benchmarks.harness.paths import RESULTS, ROOT
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import Record, read_json, write_json
from benchmarks.zoo.generated import DATA, GENERATIVE, Images, first_images
from benchmarks.zoo.recipes import recipes_on
from latentknn import datasets

ROWS, COLUMNS = 4, 10
OF_EACH = ROWS * COLUMNS
SHEETS = ROOT / "build" / "blinded"
KEY = RESULTS / "blinded.json"
REAL = "test images"


def draw(images: dict[str, Images], folder: Path) -> list[list[str]]:
    """Draw mixed sheets, and return the key: whose the images of each sheet are."""
    from latentknn.report.drawing import save_figure
    from latentknn.report.image_grid import draw_image_grid

    places = [(name, number) for name in images for number in range(OF_EACH)]
    random.SystemRandom().shuffle(places)
    sheets = [places[begin : begin + OF_EACH] for begin in range(0, len(places), OF_EACH)]
    folder.mkdir(parents=True, exist_ok=True)
    for number, sheet in enumerate(sheets, 1):
        shown = np.stack([images[name][of] for name, of in sheet])
        grid = shown.reshape(ROWS, COLUMNS, *shown.shape[1:])
        save_figure(draw_image_grid(grid, [""] * ROWS), folder / f"sheet-{number}.png")
    return [[name for name, _ in sheet] for sheet in sheets]


def recognised(key: list[list[str]], signs: list[str]) -> Counter[str]:
    """Return how many images of each source were recognised.

    Raises ValueError where there are other signs than a + or a - for each image.
    """
    expected = [len(sheet) for sheet in key]
    if [len(word) for word in signs] != expected or not set("".join(signs)) <= set("+-"):
        raise ValueError(
            f"received words of {[len(word) for word in signs]} signs, expected + or - for {expected}"
        )
    sources = [name for sheet in key for name in sheet]
    counts = Counter(dict.fromkeys(sources, 0))
    counts.update(name for name, sign in zip(sources, "".join(signs), strict=True) if sign == "+")
    return counts


def results_table(content: Record) -> str:
    """Return how many of each model's images were recognised, the most first, as a table of Markdown."""
    counts = recognised(content["key"], content["signs"])
    return table(
        ["images", f"recognised of {OF_EACH}"], [[name, str(count)] for name, count in counts.most_common()]
    )


def _draw(_: argparse.Namespace) -> None:
    images = {
        recipe.key: in_fresh_process(first_images, recipe, OF_EACH)
        for recipe in recipes_on(DATA)
        if recipe.model in GENERATIVE
    }
    real = datasets.load(DATA).test_images[:OF_EACH] / np.float32(255)
    images[REAL] = real.reshape(next(iter(images.values())).shape)
    write_json(KEY.stem, {"key": draw(images, SHEETS)})
    print(f"drawn: {len(images)} sheets in {SHEETS.relative_to(ROOT)}")


def _count(given: argparse.Namespace) -> None:
    if not KEY.is_file():
        raise SystemExit(
            f"{KEY.relative_to(ROOT)} is not there; python -m benchmarks.zoo.blinded draw makes it"
        )
    content = read_json(KEY) | {"signs": given.signs}
    shown = results_table(content)
    write_json(KEY.stem, content)
    print(shown)


def main() -> None:
    options = parser(__doc__)
    actions = options.add_subparsers(required=True)
    actions.add_parser("draw").set_defaults(do=_draw)
    count = actions.add_parser("count", prefix_chars="/")
    count.add_argument("signs", nargs="+", help="a word of + and - for each sheet")
    count.set_defaults(do=_count)
    given = options.parse_args()
    given.do(given)


if __name__ == "__main__":
    main()
