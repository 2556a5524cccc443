"""Programmes that measure latentknn, called as modules: `python -m benchmarks.speed.search`."""
