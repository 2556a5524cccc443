"""What generative models generate, judged by eye and by number.

    python -m benchmarks.zoo.generated        # after zoo/measure.py

Takes the trained models from the user's cache, draws a grid of images of each into docs/samples/ and writes a
table into zoo.md: which classes the codes of `metric` say 1,000 images are of, the Fréchet distance of these
codes to those of all test images, and how similar an image is to the most similar training image and to the
most similar other one. Copies of training images would show in the first similarity, collapse to a few images
in the second. Test images stand beside them, and as many training images, whose distance is that of real
images, which the encoder was trained on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.paths import DOCS
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import write_json
from benchmarks.zoo import tables
from benchmarks.zoo.measure import model_file
from benchmarks.zoo.recipes import Recipe, recipes_on
from benchmarks.zoo.rows import read_rows
from latentknn import CosineIndex, CosineKNNClassifier, datasets
from latentknn.evaluation import frechet_distance
from latentknn.stratifying import choose_evenly

DATA = "fashion_mnist"
IMAGES = 1000
SEED = 0
PICTURES = DOCS / "samples"
JUDGE = "metric, deeper, seed 0"
GENERATIVE = ("vae", "adversarial_ae", "gan", "wgan_gp", "vqvae")

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Judge:
    """Looks at images through the codes of `metric` and through their pixels."""

    model: Any
    classifier: CosineKNNClassifier
    pixels: CosineIndex
    test_codes: NDArray[np.float32]

    @classmethod
    def of(cls, dataset: datasets.Dataset) -> "Judge":
        from latentknn import models

        (recipe,) = (recipe for recipe in recipes_on(DATA) if recipe.key == JUDGE)
        model = models.load(_trained(recipe))
        vote = read_rows(DATA)[recipe.key]["vote"]
        classifier = CosineKNNClassifier(
            vote["k"], weights=vote["weights"], temperature=vote["temperature"]
        ).fit(model.encode(dataset.train_images), dataset.train_labels)
        return cls(
            model,
            classifier,
            CosineIndex.from_codes(_flat(dataset.train_images)),
            model.encode(dataset.test_images),
        )

    def judge(self, images: NDArray[Any]) -> dict[str, Any]:
        codes = self.model.encode(images)
        classes = self.classifier.predict(codes)
        among = CosineIndex.from_codes(_flat(images))
        return {
            "shares": (np.bincount(classes, minlength=10) / len(images)).tolist(),
            "frechet": frechet_distance(self.test_codes, codes),
            "to_training": float(self.pixels.search(_flat(images), 1).similarities.mean()),
            "to_each_other": float(among.search_self(1).similarities.mean()),
        }


def first_images(recipe: Recipe, count: int) -> Images:
    """Let a trained model generate."""
    from latentknn import models

    images: Images = models.load(_trained(recipe)).generate(count, seed=SEED)
    return images


def generate(recipe: Recipe) -> Images:
    """Let a model generate, and draw the first images."""
    from latentknn.report.drawing import save_figure
    from latentknn.report.image_grid import draw_image_grid

    images = first_images(recipe, IMAGES)
    PICTURES.mkdir(parents=True, exist_ok=True)
    shown = images[:40].reshape(4, 10, *images.shape[1:])
    save_figure(draw_image_grid(shown, [""] * len(shown)), PICTURES / f"{recipe.file_name}.png")
    return images


def measure(generated: dict[str, Images]) -> dict[str, Any]:
    """Judge real images, and what every model has generated."""
    dataset = datasets.load(DATA)
    judge = Judge.of(dataset)
    real = {
        "test images": dataset.test_images[:IMAGES],
        "training images": dataset.train_images[choose_evenly(dataset.train_labels, IMAGES, SEED)],
    }
    judged = {name: judge.judge(images) for name, images in {**real, **generated}.items()}
    # These are compared with themselves.
    judged["test images"]["frechet"] = judged["training images"]["to_training"] = None
    return judged


def _trained(recipe: Recipe) -> Path:
    path = model_file(recipe, DATA)
    if recipe.key not in read_rows(DATA) or not path.is_file():
        raise SystemExit(
            f"{recipe.key} is not trained here: delete its row of results/zoo_{DATA}.json, if it has one, "
            f"and run python -m benchmarks.zoo.measure --only {recipe.model} --data {DATA}"
        )
    return path


def _flat(images: NDArray[Any]) -> NDArray[Any]:
    return images.reshape(len(images), -1)


def main() -> None:
    generated = {}
    for recipe in recipes_on(DATA):
        if recipe.model in GENERATIVE:
            print(recipe.key, flush=True)
            generated[recipe.key] = in_fresh_process(generate, recipe)
    write_json(f"generated_{DATA}", in_fresh_process(measure, generated))
    tables.write_page()


if __name__ == "__main__":
    main()
