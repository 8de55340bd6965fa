"""What people do with models: pictures in; class names, boxes or masks out.

    from edgewise.tasks import ImageClassifier, ImageSegmenter, ObjectDetector

    [best, *others] = ImageClassifier.load("model.tflite").classify("photo.jpg")

    ImageClassifier.train("photos", "model.tflite")         # a folder per class

Labels and what pixels become are taken from the model (`edgewise.metadata`). Where it says nothing,
the range of a quantized input tells what its pixels are, and `labels=` and `normalize=` say more.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import names
from edgewise.tasks.classifier import ImageClassifier
from edgewise.tasks.classify import Guess
from edgewise.tasks.detect import Box, Detection, ObjectDetector
from edgewise.tasks.kinds import task_of
from edgewise.tasks.picture import PictureTask
from edgewise.tasks.segment import ImageSegmenter, Segmentation

if TYPE_CHECKING:
    from edgewise.tasks.training import train_image_classifier

__all__ = [
    "Box",
    "Detection",
    "Guess",
    "ImageClassifier",
    "ImageSegmenter",
    "ObjectDetector",
    "PictureTask",
    "Segmentation",
    "task_of",
    "train_image_classifier",
]


# what trains is imported when it is asked for: who runs a model does not wait for it
__getattr__ = names(__name__, {"train_image_classifier": "training"})
