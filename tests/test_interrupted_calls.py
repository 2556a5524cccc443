"""Ctrl-C in the middle of every public call that may take long."""

from __future__ import annotations

from new_interpreter import run_script
from scale import scaled

SCRIPT = """
import pickle, signal, sys, time
from pathlib import Path
import numpy as np
import latentknn as lk
from interrupting import is_interrupted

# Nothing waits for the interrupt for so long, however busy the machine is.
LONGEST_SECONDS = 20
folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
path, other = folder / "index.safetensors", folder / "other.safetensors"
rng = np.random.default_rng(0)
codes = rng.standard_normal((30_000, 64), dtype=np.float32)
queries = rng.standard_normal((3_000, 64), dtype=np.float32)
labels = rng.integers(0, 10, len(codes))
index = lk.CosineIndex.from_codes(codes, labels, threads=2)
few = lk.CosineIndex.from_codes(codes[:5_000], threads=2)
classifier = lk.CosineKNNClassifier(5, n_jobs=2).fit(codes, labels)
index.save(path)
content = path.read_bytes()

def answer():
    found = index.search(queries[:5], 5)
    return found.similarities.tobytes() + found.ids.tobytes()

def measured(call, prepare=lambda: None):
    prepare()
    began = time.perf_counter()
    call()
    takes = time.perf_counter() - began
    waits = []
    for _ in range(rounds):
        prepare()
        wait = 0.001 + rng.uniform(0, 0.9) * takes
        due = time.perf_counter() + wait
        if is_interrupted(call, 1000 * wait):
            waits.append(time.perf_counter() - due)
        assert answer() == expected
        assert path.read_bytes() == content
        assert len(changing) == len(changing.labels) == len(changing.ids)
        assert np.array_equal(changing.labels, labels[changing.ids % len(labels)])
    assert max(waits, default=0) < LONGEST_SECONDS, waits
    return takes, waits

def copy():
    global changing
    changing = pickle.loads(pickle.dumps(index))

copy()
expected = answer()
found = {
    "search": measured(lambda: index.search(queries, 10)),
    "search for many": measured(lambda: index.search(queries[:100], 2_000)),
    "search among some": measured(lambda: index.search(queries, 10, allowed=labels > 4)),
    "search_self": measured(lambda: few.search_self(10)),
    "search_per_class": measured(lambda: index.search_per_class(queries, 3)),
    "setting classes apart": measured(lambda: changing.search_per_class(queries[:9], 3), copy),
    "recall": measured(lambda: few.recall(queries, 10)),
    "cosine_search": measured(lambda: lk.cosine_search(codes, queries, 10)),
    "construction": measured(lambda: lk.CosineIndex.from_codes(codes, labels, threads=2)),
    "strings, float64": measured(lambda: lk.CosineIndex.from_codes(codes.astype(float), labels.astype(str))),
    "add": measured(lambda: changing.add(codes, labels), copy),
    "remove": measured(lambda: changing.remove(changing.ids[::2]), copy),
    "save": measured(lambda: index.save(other)),
    "load": measured(lambda: lk.CosineIndex.load(path)),
    "pickle": measured(lambda: pickle.loads(pickle.dumps(index))),
    "fit": measured(lambda: lk.CosineKNNClassifier(5).fit(codes, labels)),
    "predict": measured(lambda: classifier.predict(queries)),
    "predict_proba": measured(lambda: classifier.predict_proba(queries)),
    "kneighbors": measured(lambda: classifier.kneighbors(queries, 5)),
}
other.unlink(missing_ok=True)
assert [each.name for each in folder.iterdir()] == [path.name]
assert sum(len(waits) for _, waits in found.values()) > len(found) * rounds / 4
for name, (takes, waits) in found.items():
    if waits:
        print(f"{name}: takes {takes:.2f} s; {len(waits)} interrupts, "
              f"median {np.median(waits):.3f} s, longest {max(waits):.3f} s")
    else:
        print(f"{name}: takes {takes:.2f} s; was over before")
"""


def test_ctrl_c_ends_every_call_and_leaves_everything_whole(tmp_path):
    """The signal comes at any moment of a call; how long each goes on is printed, see ``-rP``."""
    print(run_script(SCRIPT, str(tmp_path), str(scaled(3))))
