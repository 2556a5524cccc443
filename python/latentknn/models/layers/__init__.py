"""Layers, networks that are made of layers, and contexts that decide their first weights and their precision.

Files of this room import one another, ``backend`` and ``images``, and nothing else of the models.
"""
