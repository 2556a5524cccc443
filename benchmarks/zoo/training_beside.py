"""Times training beside that of another version of the package, in processor time for an image.

    git worktree add ../before COMMIT
    cp "$(python -c 'import latentknn._core as core; print(core.__file__)')" ../before/python/latentknn
    python -m benchmarks.zoo.training_beside ../before/python --named "the version before"

The package itself must be installed from a wheel or not at all: an editable one is imported whatever is asked
for, which is an error here. The versions train in processes of their own, which take turns: each process
trains a model for one pass to warm up, and is timed for another. Time is that of all the process's threads,
so other work on the machine counts little. The results become a table of zoo.md; a line that is there is not
measured again.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.command_line import parser
from benchmarks.harness.paths import RESULTS, ROOT
from benchmarks.harness.results import read_json, write_json
from benchmarks.harness.timing import Spread, ratios
from benchmarks.zoo import tables
from latentknn import datasets, models

NAME = "training_beside"

# Models whose training batch normalisation or dropout is a part of; a pass takes so many images.
MODELS = {
    "metric": 1_280,
    "triplet": 2_560,
    "conv_ae": 960,
    "conditional_ae": 960,
    "gan": 640,
    "wgan_gp": 640,
    "dropout_ae": 25_600,
}
DTYPES = ("float32", "mixed_bfloat16")
ROUNDS = 3


def seconds_to_train(name: str, dtype: str, threads: int, folder: Path) -> float:
    """Return the processor time of a training with the package in a folder, and end with any other."""
    found = Path(models.__file__).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise SystemExit(f"the package was imported from {found}, not from {folder}; is it an editable one?")
    from latentknn.models.backend import tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    dataset, count = datasets.load("fashion_mnist"), MODELS[name]
    images, labels = dataset.train_images[:count], dataset.train_labels[:count]
    model = models.create(name, dtype=dtype)
    model.fit(images, labels, verbose=0)
    began = time.process_time()
    model.fit(images, labels, verbose=0)
    return time.process_time() - began


def with_package(folder: str, *arguments: str) -> float:
    """Return what ``seconds_to_train`` returns in a new process that imports the package from a folder."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.zoo.training_beside", folder, "--train", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": folder},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(found.stdout.splitlines()[-1]))


def measure(name: str, dtype: str, threads: int, folders: dict[str, str]) -> dict[str, Any]:
    """Return images per processor second of each version, and how many times as fast the present one is."""
    times: dict[str, list[float]] = {version: [] for version in folders}
    for round_number in range(ROUNDS):
        for version in sorted(folders, reverse=round_number % 2 == 1):
            times[version].append(with_package(folders[version], name, dtype, str(threads)))
    count = MODELS[name]
    return {
        "model": name,
        "dtype": dtype,
        "threads": threads,
        **{
            version: Spread.of([count / seconds for seconds in each]).__dict__
            for version, each in times.items()
        },
        "times as fast": ratios(times["before"], times["now"]).__dict__,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", help="folder that the other version is imported from")
    options.add_argument("--named", default="", help="what the table calls the other version")
    options.add_argument("--threads", type=int, default=1, help="threads of TensorFlow, 1 if not given")
    options.add_argument("--only", default="", help="models, separated by commas")
    options.add_argument("--train", nargs=3, help="used by the programme itself")
    given = options.parse_args()
    if given.train:
        name, dtype, threads = given.train
        print(json.dumps(seconds_to_train(name, dtype, int(threads), Path(given.folder))))
        return

    from latentknn.report.environment import describe_environment

    content = read_json(RESULTS / f"{NAME}.json") or {"lines": {}}
    content |= {"about": describe_environment(given.threads), "beside": given.named}
    folders = {"before": given.folder, "now": str(ROOT / "python")}
    for name in given.only.split(",") if given.only else MODELS:
        for dtype in DTYPES:
            key = f"{name}, {dtype}, {given.threads}"
            if key not in content["lines"]:
                content["lines"][key] = measure(name, dtype, given.threads, folders)
                write_json(NAME, content)
                print(f"{key}: {content['lines'][key]['times as fast']}", flush=True)
    tables.write_page()


if __name__ == "__main__":
    main()
