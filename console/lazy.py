"""Commands that are imported when they are used: most need libraries that take a second to import."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Command(NamedTuple):
    """A command, or a group of them, as it is listed.

    `target` is `module:name` of the function or `typer.Typer` in `console.commands`; `help` the first
    paragraph of its own help, which a listing shows without importing it (a test compares the two).
    """

    name: str
    target: str
    help: str

    def load(self) -> Any:
        """Import it; returns the command as click knows it."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(f"console.commands.{module}"), attribute)
        holder = typer.Typer(rich_markup_mode="markdown", callback=_nothing)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=self.name)
        else:
            holder.command(self.name)(found)
        return get_group(holder).commands[self.name]


def lazy_group(commands: tuple[Command, ...]) -> type[TyperGroup]:
    """A group that lists these commands in this order and imports the one that is called."""
    known = {command.name: command for command in commands}

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, command in known.items():
                self.add_command(TyperCommand(name=name, help=command.help))

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, listed, rest = super().resolve_command(ctx, args)
            return name, known[name].load() if name in known else listed, rest

    return LazyGroup


def _nothing() -> None:
    """A group needs a callback to stay one when it holds a single command."""
