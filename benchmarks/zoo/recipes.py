"""What the zoo trains: a model, how it differs from what was published, for how long, and on which seed.

Options were chosen on images held out of the training set, numbers of epochs by the time that a row may
take. The test set decided nothing.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

DATA = ("fashion_mnist", "mnist")


@dataclass(frozen=True)
class Recipe:
    """A row of the table.

    `changes` says in words how the training differs from the model's defaults, `published` what was
    published of it, and `measured_how` on what images of the data set `published_on`. The recipe is for the
    data sets `data`; on those of them that are `unmeasured` too its row says that it is not measured yet.
    Without a batch size the model's own is used.
    """

    model: str
    epochs: int
    batch_size: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    changes: str = ""
    seed: int = 0
    published: str = "none"
    measured_how: str = ""
    published_on: str = "fashion_mnist"
    data: tuple[str, ...] = DATA
    unmeasured: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        variant = f", {self.variant}" if self.variant else ""
        return f"{self.model}{variant}, seed {self.seed}"

    @property
    def file_name(self) -> str:
        """A name for files about the recipe, without an ending."""
        return self.key.replace(",", "").replace(" ", "-")

    def described(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values; a row is measured anew when it changes."""
        deciding = {
            "model": self.model,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "options": self.options,
            "seed": self.seed,
        }
        return json.loads(json.dumps(deciding))  # type: ignore[no-any-return]


_DRAWN = "1,000 test images drawn with replacement, unseeded; the test images served as validation images"
_RERUN = "cross-entropy of 5,000 held-out images in a reader's rerun of the code, 20 epochs"
_QUICK = "dropout 0, batches of 256 at rate 0.001 (published: 0.25, 32, 0.0005)"
_QUICK_OPTIONS = {"dropout": 0.0, "learning_rate": 1e-3}
_MOVED = (
    "dropout 0, batches of 256, one cycle to rate 0.002, codes whitened by half; "
    "before training images are encoded they are"
)
_MOVED_OPTIONS = {"dropout": 0.0, "learning_rate": 2e-3, "one_cycle": True, "whitening": 0.5}
_TRIPLETS = "dropout 0 (default: 0.25), images moved and mirrored, in codes too; one cycle"
_TRIPLETS_OPTIONS = {"dropout": 0.0, "shift": 1, "mirror": True, "shifted_views": True, "one_cycle": True}


def _three_seeds(recipe: Recipe) -> tuple[Recipe, ...]:
    """Return a recipe that is measured, and the same with two other seeds, which are not measured yet."""
    return (recipe, *(replace(recipe, seed=seed, unmeasured=recipe.data) for seed in (1, 2)))


RECIPES = (
    Recipe(
        "stacked_ae",
        epochs=20,
        published="0.2831",
        measured_how=_RERUN,
    ),
    Recipe("deep_ae", epochs=10, published="plots only", published_on="mnist"),
    Recipe("simple_ae", epochs=30),
    Recipe(
        "conv_ae",
        epochs=8,
        batch_size=256,
        options=_QUICK_OPTIONS,
        changes=_QUICK,
        published="0.885–0.89",
        measured_how=f"cosine 1-NN of {_DRAWN}",
    ),
    Recipe(
        "conv_ae",
        epochs=14,
        batch_size=256,
        variant="moved and whitened",
        options={**_MOVED_OPTIONS, "latent_dim": 256, "shift": 1, "mirror": True},
        changes=f"256 numbers in a code (default: 128), {_MOVED} moved by up to 1 pixel and mirrored",
        data=("fashion_mnist",),
    ),
    Recipe(
        "conv_ae",
        epochs=12,
        batch_size=256,
        variant="moved and whitened",
        options={**_MOVED_OPTIONS, "shift": 2},
        changes=f"{_MOVED} moved by up to 2 pixels",
        data=("mnist",),
    ),
    Recipe("pool_ae", epochs=10, published="0.2591", measured_how=_RERUN),
    Recipe("denoising_ae", epochs=20, published="0.2862", measured_how=_RERUN),
    Recipe("sparse_ae", epochs=20, variant="L1", published="0.3100", measured_how=_RERUN),
    Recipe("sparse_ae", epochs=20, variant="KL", options={"penalty": "kl"}),
    Recipe(
        "dropout_ae",
        epochs=30,
        published="0.2916",
        measured_how=f"{_RERUN}; dropout 0.5 of the pixels",
    ),
    Recipe("vae", epochs=30, variant="dense"),
    Recipe("vae", epochs=5, variant="convolutional", options={"network": "conv"}),
    Recipe("vqvae", epochs=10, variant="codebook by its loss"),
    Recipe("vqvae", epochs=10, variant="codebook by running means", options={"averaging": 0.99}),
    Recipe("adversarial_ae", epochs=30),
    Recipe(
        "gan", epochs=10, options={"filters": (32, 64)}, changes="32 and 64 filters (default: 64 and 128)"
    ),
    Recipe(
        "wgan_gp",
        epochs=10,
        options={"filters": (32, 64), "critic_steps": 2, "learning_rate": 2e-4},
        changes="32 and 64 filters, 2 batches of the critic for one of the generator, rate 0.0002 "
        "(default: 64 and 128, 5, 0.0001)",
    ),
    *_three_seeds(
        Recipe(
            "self_supervised",
            epochs=27,
            options={"latent_dim": 256, "dtype": "mixed_bfloat16"},
            changes="256 numbers in a code (default: 128), bfloat16",
            data=("fashion_mnist",),
        )
    ),
    Recipe(
        "self_supervised",
        epochs=12,
        options={"latent_dim": 256, "mirror": False, "dtype": "mixed_bfloat16"},
        changes="256 numbers in a code (default: 128), not mirrored, bfloat16",
        data=("mnist",),
    ),
    *_three_seeds(
        Recipe(
            "triplet",
            epochs=32,
            options={
                **_TRIPLETS_OPTIONS,
                "filters": (32, 96, 96, 96),
                "learning_rate": 2e-3,
                "dtype": "mixed_bfloat16",
            },
            changes="96 filters from the second convolution on (default: 64), bfloat16, "
            f"{_TRIPLETS} to rate 0.002 (default: 0.001)",
            published="0.69",
            measured_how="100 images",
            data=("fashion_mnist",),
        )
    ),
    Recipe(
        "triplet",
        epochs=20,
        options=_TRIPLETS_OPTIONS,
        changes=_TRIPLETS,
        data=("mnist",),
    ),
    Recipe("finetuned", epochs=10, variant="1,000 labels", options={"labels": 1000}),
    *(
        Recipe(
            "conditional_ae",
            epochs=10,
            batch_size=256,
            variant="with class loss" if weight else "without class loss",
            options={**_QUICK_OPTIONS, "class_loss_weight": weight},
            changes=_QUICK,
            seed=seed,
            published="0.915–0.92" if weight else "none",
            measured_how=f"{_DRAWN}; a later version was trained on test images too" if weight else "",
            data=("fashion_mnist",) if weight or seed else DATA,
        )
        for weight in (0.0, 0.1)
        for seed in (0, 1, 2)
    ),
    Recipe(
        "metric",
        epochs=28,
        options={"erase": 0.0, "shifted_views": True},
        changes="nothing is erased, codes count images moved by a pixel (default: half erased, one place)",
        data=("fashion_mnist",),
    ),
    Recipe(
        "metric",
        epochs=36,
        variant="wider",
        options={
            "filters": (32, 96, 192),
            "erase": 0.25,
            "shifted_views": True,
            "dtype": "mixed_bfloat16",
        },
        changes="96 and 192 filters in the stages (default: 64 and 128), bfloat16, a quarter erased, "
        "codes count images moved by a pixel",
        data=("fashion_mnist",),
    ),
    *_three_seeds(
        Recipe(
            "metric",
            epochs=70,
            variant="deeper",
            options={"blocks": 2, "shifted_views": True, "dtype": "mixed_bfloat16"},
            changes="two blocks a stage (default: one), bfloat16, codes count images moved by a pixel",
            data=("fashion_mnist",),
        )
    ),
    Recipe(
        "metric",
        epochs=12,
        options={"mirror": False, "erase": 0.0, "shifted_views": True},
        changes="not mirrored, nothing erased, codes count images moved by a pixel",
        data=("mnist",),
    ),
)


def recipes_on(data: str) -> list[Recipe]:
    """Return what is measured on a data set, in the order of its table."""
    return [recipe for recipe in RECIPES if data in recipe.data]


def choose_models(options: argparse.ArgumentParser, only: str, recipes: Iterable[Recipe]) -> set[str]:
    """Return the models that `--only` names, or all; the programme ends where there is no recipe for one."""
    known = {recipe.model for recipe in recipes}
    chosen = set(only.split(",")) if only else known
    if unknown := chosen - known:
        options.error(f"unknown: {', '.join(sorted(unknown))}")
    return chosen
