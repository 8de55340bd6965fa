"""A model that says everything the metadata schema has a word for."""

from __future__ import annotations

import numpy as np

from edgewise import Model
from edgewise import metadata as m
from edgewise.ir import Builder, Signature

LABELS = ["cat", "dog, or wolf", "señal"]


def classifier() -> Model:
    """Pictures [1, 4, 4, 3] to 3 scores, with a signature."""
    b = Builder()
    x = b.input("serving_default_x:0", (1, 4, 4, 3))
    w = b.constant(np.linspace(-1, 1, 144, dtype=np.float32).reshape(3, 48))
    y = b.fully_connected(b.reshape(x, b.constant([1, 48])), w, label="StatefulPartitionedCall:0")
    model = Model(description="plain")
    model.add(b.finish(b.softmax(y, beta=1.0, label="out:0")))
    model.signatures.append(Signature("serving_default", "main", {"image": 0}, {"scores": 0}))
    return model


def described() -> Model:
    """What most people say."""
    return m.attach(
        classifier(),
        name="Pets",
        description="Tells cats from dogs",
        version="v2",
        author="Somebody",
        license="Apache-2.0",
        labels=LABELS,
        mean=127.5,
        std=127.5,
    )


_READ_ME = m.AssociatedFile("readme.txt", "Read this.", m.AssociatedFileType.DESCRIPTIONS, "en")
_WORDS = m.AssociatedFile("vocab.txt", type=m.AssociatedFileType.VOCABULARY, version="3")

EVERYTHING = m.ModelMetadata(
    name="everything",
    description="d",
    version="1",
    author="a",
    license="l",
    associated_files=(_READ_ME,),
    subgraph_metadata=(
        m.SubGraphMetadata(
            name="main",
            description="the graph",
            input_tensor_metadata=(
                m.TensorMetadata(
                    "image",
                    "a picture",
                    ("batch", "height", "width", "channel"),
                    m.Content(
                        m.ImageProperties(m.ColorSpaceType.RGB, m.ImageSize(4, 5)),
                        m.ValueRange(1, 2),
                    ),
                    (
                        m.ProcessUnit(m.NormalizationOptions((1.0, 2.0, 3.0), (0.5, 0.25, 2.0))),
                        m.ProcessUnit(m.BertTokenizerOptions((_WORDS,))),
                        m.ProcessUnit(m.SentencePieceTokenizerOptions((_WORDS,), (_WORDS,))),
                        m.ProcessUnit(m.RegexTokenizerOptions("[^a-z]+", (_WORDS,))),
                        m.ProcessUnit(),
                    ),
                    m.Stats((255.0,), (0.0,)),
                    (_WORDS,),
                ),
                m.TensorMetadata("sound", content=m.Content(m.AudioProperties(16000, 1))),
            ),
            output_tensor_metadata=(
                m.TensorMetadata(
                    "boxes",
                    content=m.Content(
                        m.BoundingBoxProperties(
                            (1, 0, 3, 2), m.BoundingBoxType.CENTER, m.CoordinateType.PIXEL
                        )
                    ),
                ),
                m.TensorMetadata(
                    "scores",
                    content=m.Content(m.FeatureProperties()),
                    process_units=(
                        m.ProcessUnit(
                            m.ScoreCalibrationOptions(m.ScoreTransformationType.LOG, 0.25)
                        ),
                        m.ProcessUnit(m.ScoreThresholdingOptions(0.5)),
                    ),
                ),
            ),
            associated_files=(_WORDS,),
            input_process_units=(m.ProcessUnit(m.NormalizationOptions((0.0,), (1.0,))),),
            output_process_units=(m.ProcessUnit(m.ScoreThresholdingOptions(0.75)),),
            input_tensor_groups=(m.TensorGroup("in", ("image", "sound")),),
            output_tensor_groups=(m.TensorGroup("found", ("boxes", "scores")),),
            custom_metadata=(m.CustomMetadata("own", b"\0\1\2"),),
        ),
    ),
)
FILES = {"readme.txt": b"read this\n", "vocab.txt": "wort\nмир\n".encode()}


def everything() -> Model:
    return m.store(classifier(), EVERYTHING, FILES)
