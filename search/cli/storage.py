"""The commands of a study's storage: move a study to another one, serve one to very many workers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .family import example

study = typer.Typer(help="Move a study to another storage, or serve its storage.")
commands = typer.Typer()
commands.add_typer(
    study, name="study", epilog=example("qpareto study move studies/quickstart/quickstart.yaml sqlite:///moved.db")
)

A_STORAGE = "A study file, or the URL of a storage."


@study.command(epilog=example("qpareto study move studies/quickstart/quickstart.yaml sqlite:///moved.db"))
def move(
    source: Annotated[str, typer.Argument(metavar="FROM", help=A_STORAGE, show_default=False)],
    target: Annotated[str, typer.Argument(metavar="TO", help="Another one.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="The study's name; that in a study file, or the only one there.")
    ] = None,
) -> None:
    """Copy a study with all its trials to another storage; the original stays.

    A study file stands for the storage that it names; so a password need not be on the command line.
    """
    from ..api import move_study

    from_url, from_name = _storage(source)
    to_url, to_name = _storage(target)
    moved, trials = move_study(from_url, to_url, name=name or from_name or to_name)
    print(f"{moved}: {trials} trials copied. To go on there, name that storage in the study file.")


@study.command(epilog=example("qpareto study proxy studies/quickstart/quickstart.yaml --port 13000"))
def proxy(
    storage: Annotated[str, typer.Argument(metavar="STORAGE", help=A_STORAGE, show_default=False)],
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 for every machine that reaches it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen at.")] = 13000,
) -> None:
    """Serve a storage to very many workers, until Ctrl-C.

    They name it as grpc://HOST:PORT. Whoever reaches the port can read and write every study there: keep it within a
    network that you trust.
    """
    from ..api import serve_proxy

    url, _ = _storage(storage)
    serve_proxy(url, host=host, port=port)


def _storage(text: str) -> tuple[str, str | None]:
    """The URL of a study file's storage and the study's name there, or a URL as it is."""
    from ..study_file.loading import load_study_file

    if Path(text).suffix not in (".yaml", ".yml"):
        return text, None
    spec = load_study_file(Path(text))
    return spec.storage, spec.name
