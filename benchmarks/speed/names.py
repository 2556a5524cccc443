"""The engines by the names that they have in results, for what reads results and imports none of them."""

from benchmarks.harness.results import OURS

PEERS = ("FAISS", "scikit-learn", "NumPy", "TensorFlow", "USearch")
# Screening in float32 is timed too where a case asks for the comparison.
OWN_FP32 = f"{OURS} fp32"
