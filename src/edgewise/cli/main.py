"""`edgewise`: the group of verbs, loaded when they are called, and how errors are told."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from edgewise import __version__
from edgewise.errors import EdgewiseError, InternalError

# verb: its line in `edgewise --help`, so that help does not import every verb
VERBS = {
    "convert": "Turn a trained model into a .tflite file.",
    "demo": "Build a network, write it as .tflite, and classify a photo with it.",
    "doctor": "Show versions, CPU features and which extras are installed.",
    "inspect": "Show what is in a .tflite file: operators, tensors, sizes, work.",
    "run": "Run a .tflite file on a picture, an array or random numbers.",
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
        command = import_module(f"edgewise.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of verbs, without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", prog_name="edgewise")
def cli() -> None:
    """Trained models, made small and fast, on phones, boards, microcontrollers and the web.

    \b
    Examples:
      edgewise demo
      edgewise convert model.keras -o model.tflite
      edgewise run model.tflite --input cat.jpg --top 3
      edgewise inspect model.tflite
    """


def main() -> None:
    """Entry point. Expected errors are one message and exit code 1, without a traceback."""
    sys.exit(run(cli, sys.argv[1:]))


def run(command: click.Command, arguments: list[str]) -> int:
    """Run a command; returns the exit code after telling any error on standard error."""
    try:
        result = command.main(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        _tell("interrupted")
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EdgewiseError as error:
        if _debug():
            raise
        _tell(str(error))
        if isinstance(error, InternalError):
            _tell("this is a bug in Edgewise; please report it with the model")
        return 1
    except (OSError, MemoryError) as error:
        if _debug():
            raise
        _tell(str(error) or "not enough memory")
        return 1


def _tell(message: str) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)


def _debug() -> bool:
    return bool(os.environ.get("EDGEWISE_DEBUG"))
