"""``serai completion``: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script

app = typer.Typer()


class Shell(StrEnum):
    """The shells that can be completed."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Print a shell's completion script: eval "$(serai completion bash)"."""
    script = get_completion_script(prog_name="serai", complete_var="_SERAI_COMPLETE", shell=shell.value)
    sys.stdout.write(f"{script}\n")
