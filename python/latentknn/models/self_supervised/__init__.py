"""Models that learn codes from images alone, without rebuilding them.

Files of this room import ``base`` and what it imports, and no other family.
"""
