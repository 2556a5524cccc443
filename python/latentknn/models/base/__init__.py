"""What all models share: the interface of an encoder, that of an autoencoder, and what is saved of them.

Its files know ``layers`` and ``training``. An autoencoder stands here because models of every family are one.
"""
