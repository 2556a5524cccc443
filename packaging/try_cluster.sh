#!/usr/bin/env bash
# Tries a cluster as a new user does, in an environment that holds nothing but the wheel with its extra `ray`:
#
#   packaging/try_cluster.sh WHEEL
#
# Installs it, writes shards, starts a cluster, searches from Python, classifies a file of Parquet and stops. Says how many
# seconds all of it has taken, the download of Ray included.
set -euo pipefail
wheel=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$PWD/build/new-user
rm -rf "$work" && mkdir -p "$work"
cd "$work"
export XDG_STATE_HOME=$work/state

SECONDS=0
python3 -m venv environment
export PATH=$work/environment/bin:$PATH
pip install --quiet "$wheel[ray]"
python - <<'PYTHON'
import numpy as np
import pyarrow as pa
from pyarrow import parquet

codes = np.random.default_rng(6).standard_normal((2000, 32)).astype(np.float32)
np.save("codes.npy", codes)
np.save("labels.npy", np.array(["shoe", "bag"])[np.arange(2000) % 2])
parquet.write_table(pa.table({"id": np.arange(50), "codes": list(codes[:50])}), "queries.parquet")
PYTHON
latentknn shards write codes.npy db/ --labels labels.npy --rows-per-shard 800
latentknn cluster start db/ --address local
trap 'latentknn cluster stop' EXIT
python - <<'PYTHON'
import numpy as np

import latentknn as lk

found = lk.distributed.connect("latentknn").search(np.load("codes.npy")[:100], 1)
assert found.ids.ravel().tolist() == list(range(100)), found
PYTHON
latentknn cluster classify queries.parquet out/ -k 1
python - <<'PYTHON'
from pyarrow import parquet

assert parquet.read_table("out/queries.parquet")["label"].to_pylist() == ["shoe", "bag"] * 25
PYTHON
trap - EXIT
latentknn cluster stop
echo "a new user's cluster has taken $SECONDS s"
