"""Encoders turn items, such as images or texts, into codes.

``as_encoder`` makes an ``Encoder`` of what people have: an object with ``encode``, a function, a Keras model
or layer, a PyTorch module, a sentence-transformers model, or ready codes. Neither Keras nor PyTorch is
imported here; whoever passes a model of theirs has imported them.
"""

from latentknn.encoders.encoder import Encoder, TrainableEncoder, encode_by, name_of, operations_of
from latentknn.encoders.making import as_encoder
from latentknn.encoders.ready_codes import ReadyCodes
from latentknn.public_names import listing

__all__ = ["Encoder", "ReadyCodes", "TrainableEncoder", "as_encoder", "encode_by", "name_of", "operations_of"]

__dir__ = listing(__all__)
