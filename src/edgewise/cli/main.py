"""`edgewise`: the group of verbs, loaded when they are called, and how errors are told."""

from __future__ import annotations

import io
import logging
import os
import sys
from difflib import get_close_matches
from importlib import import_module

import click

from edgewise import __version__
from edgewise.cli.visible import visible
from edgewise.errors import EdgewiseError, InternalError
from edgewise.log import log

# verb: its line in `edgewise --help`, so that help does not import every verb
VERBS = {
    "benchmark": "Time a .tflite file, beside other runtimes.",
    "compare": "Show what a .tflite file loses against another one, layer by layer.",
    "convert": "Turn a trained model into a .tflite file.",
    "data": "Show what is wrong with a data set before anybody trains on it.",
    "demo": "Build a network, write it as .tflite, and classify a photo with it.",
    "doctor": "Show versions, CPU features and which extras are installed.",
    "evaluate": "Measure how good .tflite classifiers are on labelled data.",
    "export-c": "Write a .tflite file as C sources for a microcontroller.",
    "inspect": "Show what is in a .tflite file: operators, tensors, sizes, work.",
    "metadata": "Show or change what a .tflite file says of itself: labels, licence.",
    "optimize": "Find the smallest or fastest model that loses no more than it may.",
    "profile": "Time every operator of a .tflite file against this machine's peak.",
    "quantize": "Write a .tflite file with narrower weights and data: int8, int4, float16, ...",
    "run": "Run a .tflite file on a picture, an array or random numbers.",
    "train": "Make a classifier of a folder of pictures, on a pre-trained network.",
    "tune": "Measure how a .tflite file runs fastest here, and keep that for interpreters.",
    "zoo": "Pre-trained networks: list them, write one as .tflite.",
}


class Verbs(click.Group):
    """A group whose commands live in `edgewise.cli.VERB` and are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module; None for an unknown verb."""
        if cmd_name not in VERBS:
            return None
        command = import_module(f"edgewise.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb and its arguments; UsageError with the nearest verb for an unknown one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], VERBS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Verbs are {', '.join(VERBS)}."
            ctx.fail(f"No such verb {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of verbs, without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(
    "edgewise",
    cls=Verbs,
    subcommand_metavar="VERB [OPTIONS]",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", "-V", prog_name="edgewise")
def cli() -> None:
    """Trained models, made small and fast, on phones, boards, microcontrollers and the web.

    \b
    Examples:
      edgewise demo
      edgewise convert model.keras -o model.tflite
      edgewise run model.tflite cat.jpg --top 3
      edgewise inspect model.tflite
    """


def main() -> None:
    """Entry point. Expected errors are one message and exit code 1, without a traceback."""
    sys.exit(run(cli, sys.argv[1:]))


def run(command: click.Command, arguments: list[str]) -> int:
    """Run a command; returns the exit code after telling any error on standard error: 2 for
    wrong usage, 130 after an interrupt, 1 for everything else that fails. A reader that closes the
    pipe early ends the process quietly (click sees to that)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # never fail on what a terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    logger, handler = log(), _Warnings(logging.WARNING)
    logger.addHandler(handler)
    try:
        result = command.main(arguments, prog_name=command.name, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        _tell("interrupted")
        return 130
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        if context is not None:
            help_ = f"Try '{context.command_path} --help' for help."
            click.echo(f"{context.get_usage()}\n{help_}\n", err=True)
        _tell(error.format_message())
        return error.exit_code
    except Exception as error:
        if _debug():
            raise
        _tell(_sentence(error))
        return 1
    finally:
        logger.removeHandler(handler)


class _Warnings(logging.Handler):
    """What the library logs, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        label = click.style(f"{record.levelname.lower()}:", fg="yellow", bold=True)
        click.echo(f"{label} {visible(record.getMessage())}", err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return str(error) or "not enough memory"
    if isinstance(error, EdgewiseError | OSError) and not isinstance(error, InternalError):
        return str(error)
    return (
        f"{type(error).__name__}: {error}\nThis is a bug in Edgewise. Please report it with the "
        "model and what EDGEWISE_DEBUG=1 shows"
    )


def _tell(message: str) -> None:
    text = visible(message, keep="\n")
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)


def _debug() -> bool:
    return bool(os.environ.get("EDGEWISE_DEBUG"))
