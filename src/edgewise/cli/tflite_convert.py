"""`tflite_convert`: TensorFlow's command of that name, on Edgewise's converter."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import click

from edgewise import api
from edgewise.cli.main import run
from edgewise.errors import ConversionError

# options of TensorFlow's command that mean nothing here
_IGNORED = (
    "--enable_v1_converter",
    "--experimental_new_converter",
    "--experimental_new_quantizer",
)


@click.command("tflite_convert", context_settings={"ignore_unknown_options": True})
@click.option(
    "--output_file",
    type=click.Path(path_type=Path),
    required=True,
    help="The .tflite file to write (overwritten, as TensorFlow does).",
)
@click.option("--keras_model_file", type=click.Path(path_type=Path), help="A Keras file.")
@click.option("--saved_model_dir", type=click.Path(path_type=Path), help="A SavedModel folder.")
@click.option("--saved_model_tag_set", help="Tags of the graph, comma separated.")
@click.option("--saved_model_signature_key", help="The signature to convert.")
@click.argument("others", nargs=-1, type=click.UNPROCESSED)
def command(
    output_file: Path,
    keras_model_file: Path | None,
    saved_model_dir: Path | None,
    saved_model_tag_set: str | None,
    saved_model_signature_key: str | None,
    others: tuple[str, ...],
) -> None:
    """Convert a model to .tflite with the arguments of TensorFlow's tflite_convert.

    \b
    Example:
      tflite_convert --keras_model_file=model.h5 --output_file=model.tflite
      tflite_convert --saved_model_dir=model/ --output_file=model.tflite
    """
    if (keras_model_file is None) == (saved_model_dir is None):
        raise click.UsageError("give one of --keras_model_file and --saved_model_dir")
    for other in others:
        if other.split("=")[0] not in _IGNORED:
            raise click.UsageError(f"no such option or argument: {other}")
        warnings.warn(f"{other} has no effect in Edgewise", UserWarning, stacklevel=1)
    source = keras_model_file or saved_model_dir
    if source is None:
        raise ConversionError("tflite_convert: no source was given")
    tags = None if saved_model_tag_set is None else saved_model_tag_set.split(",")
    keys = None if saved_model_signature_key is None else [saved_model_signature_key]
    api.convert(source, tags=tags, signature_keys=keys).save(output_file, overwrite=True)


def main() -> None:
    """Entry point of the `tflite_convert` command."""
    sys.exit(run(command, sys.argv[1:]))
