"""Models that learn codes by rebuilding images, without labels; they know ``base`` and what is below it."""
