"""Exported models compute the codes of the models without this package."""

import numpy as np
import pytest

from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import tf
from small_models import SHAPE, small_model

SEVERAL_VIEWS = {"mirror": True, "shifted_views": True}


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in sorted(MODELS)] + [("metric", SEVERAL_VIEWS), ("triplet", SEVERAL_VIEWS)],
)
def test_an_exported_model_computes_what_encode_does(name, options, digits, tmp_path):
    images, labels = digits.train_images[:64], digits.train_labels[:64]
    model = small_model(name, **options)
    # These models whiten their codes by statistics of the training.
    if name in ("conv_ae", "self_supervised"):
        model.fit(images, labels, batch_size=32, verbose=0)
    codes = model.encode_labelled(images, labels)
    variables = [variable.numpy() for variable in model.variables]
    model.export(tmp_path, verbose=False)
    for variable, before in zip(model.variables, variables, strict=True):
        assert np.array_equal(variable.numpy(), before)
    assert np.array_equal(model.encode_labelled(images, labels), codes)

    scaled = images[..., np.newaxis].astype(np.float32) / 255
    exported = tf.saved_model.load(tmp_path)
    served = exported.serve((scaled, labels) if name == "conditional_ae" else scaled)
    np.testing.assert_allclose(served["codes"], codes, rtol=1e-4, atol=1e-5)
    if "reconstruct" in model.capabilities:
        assert served["outputs"].shape == scaled.shape
    if name in ("gan", "wgan_gp"):
        np.testing.assert_allclose(served["scores"], model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


def test_an_exported_model_takes_what_its_signature_says(digits, tmp_path):
    model = small_model("conv_ae")
    signature = [tf.TensorSpec((None, *SHAPE), tf.uint8)]
    model.export(tmp_path, verbose=False, input_signature=signature)
    exported = tf.saved_model.load(tmp_path)
    served = exported.serve(digits.test_images[:5, ..., np.newaxis])
    np.testing.assert_allclose(served["codes"], model.encode(digits.test_images[:5]), rtol=1e-4, atol=1e-5)
