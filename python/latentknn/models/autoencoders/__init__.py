"""Models that learn codes without labels, by rebuilding images.

Files of this room import ``base`` and what it imports, and no other family.
"""
