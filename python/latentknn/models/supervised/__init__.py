"""Models that learn codes from labels; they know ``base`` and what is below it.

``finetuned`` trains an autoencoder first. It makes it by its name in the registry, as ``create`` does, and
imports no other family.
"""
