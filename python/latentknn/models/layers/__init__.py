"""Layers, the networks that are made of them, and what decides how layers begin and compute.

The lowest room: its files import one another and what stands beside the rooms, ``backend`` and ``images``.
"""
