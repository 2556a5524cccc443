"""Models that learn codes from labels.

Files of this room import ``base`` and what it imports, and no other family. ``finetuned`` trains an
autoencoder first: it looks the class up in the registry, as ``create`` does.
"""
