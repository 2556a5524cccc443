"""How long the CUDA engine takes beside its peers on the same device, and the proof of its answers there."""
