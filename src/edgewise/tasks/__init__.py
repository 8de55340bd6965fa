"""What people do with models: pictures in; class names, boxes or masks out.

    from edgewise.tasks import ImageClassifier, ImageSegmenter, ObjectDetector

    [best, *others] = ImageClassifier.load("model.tflite").classify("photo.jpg")

Labels and what pixels become are taken from the model (`edgewise.metadata`). Where it says nothing,
the range of a quantized input tells what its pixels are, and `labels=` and `normalize=` say more.
"""

from edgewise.tasks.classifier import ImageClassifier
from edgewise.tasks.classify import Guess
from edgewise.tasks.detect import Box, Detection, ObjectDetector
from edgewise.tasks.kinds import task_of
from edgewise.tasks.picture import PictureTask
from edgewise.tasks.segment import ImageSegmenter, Segmentation

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
]
