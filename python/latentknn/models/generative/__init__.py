"""Models that also make new images; they know ``base`` and what is below it."""
