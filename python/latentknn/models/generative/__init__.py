"""Models that learn codes and can generate new images.

Files of this room import ``base`` and what it imports, and no other family.
"""
