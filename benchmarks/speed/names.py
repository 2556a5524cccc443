"""The engines by the names that they have in results, for what reads results and imports none of them."""

from benchmarks.harness.results import OURS

PEERS = ("FAISS", "scikit-learn", "NumPy", "TensorFlow", "USearch")
OWN_FP32 = f"{OURS} fp32"  # what screening in float32 takes, where a line asks for the comparison
