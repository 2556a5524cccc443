"""All models share these classes and functions: the encoder, its training, its checkpoints, the autoencoder.

Files of this room import ``layers`` and ``training``. The autoencoder is among them because every family has
models that are autoencoders.
"""
