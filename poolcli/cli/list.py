"""`poolcli list`: prints the tables of pools, kernels, banks, recipes, formats, paddings and demos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from poolcli.cli.console import align_columns, write_stdout
from poolcli.cli.options import Sections
from poolcli.cli.parameters import Argument
from poolcli.cli.runner import to_stdout
from poolcli.errors import alternatives

if TYPE_CHECKING:
    from collections.abc import Callable


def _pools() -> list[list[str]]:
    from poolcli.ops.pools import POOLS

    rows = [["kind", "also", "parameters", "what it gives", "padded cells", "as in"]]
    for name, pool in POOLS.items():
        parameters = ", ".join(f"--{one.name} ({one.default:g})" for one in pool.parameters)
        rows.append([name, ", ".join(pool.aliases), parameters, pool.summary, pool.neutral, pool.reference])
    return rows


def _kernels() -> list[list[str]]:
    from poolcli.ops.kernels import KERNELS

    rows = [["kernel", "weights", "what it shows", "from"]]
    for name, kernel in KERNELS.items():
        weights = "; ".join(" ".join(f"{weight:g}" for weight in row) for row in kernel.rows)
        rows.append(
            [name, weights + (f" (÷ {kernel.divisor})" if kernel.divisor > 1 else ""), kernel.summary, kernel.source]
        )
    return rows


def _banks() -> list[list[str]]:
    from poolcli.ops.banks import BANKS

    rows = [["bank", "kernels", "what it shows", "names"]]
    for name, bank in BANKS.items():
        rows.append([name, str(len(bank.kernels)), bank.summary, " ".join(bank.kernels)])
    return rows


def _recipes() -> list[list[str]]:
    from poolcli.pipeline.recipe import load, recipe_names

    return [["recipe", "what it does"], *([name, load(name).summary] for name in recipe_names())]


def _formats() -> list[list[str]]:
    from poolcli.images.write import FORMATS

    rows = [["format", "suffixes", "depths", "recipe in", "what it is"]]
    for name, entry in FORMATS.items():
        depths = ", ".join(map(str, entry.depths))
        rows.append([name, " ".join(entry.suffixes), depths, entry.recipe, entry.summary])
    return rows


def _paddings() -> list[list[str]]:
    from poolcli.ops.borders import PADDING_MODES
    from poolcli.ops.settings import PADDING_NAMES

    rows = [["padding", "option", "what it is"]]
    rows += [[name, "--padding, --conv-padding", summary] for name, summary in PADDING_NAMES.items()]
    return rows + [[name, "--conv-padding-mode", summary] for name, summary in PADDING_MODES.items()]


def _demos() -> list[list[str]]:
    from poolcli.experiments import demo_pictures
    from poolcli.explanation import demos

    rows = [["demo", "of", "numbers", "what it shows", "from"]]
    for name, demo in demos.DEMO_MATRICES.items():
        numbers = "; ".join(" ".join(f"{value:g}" for value in row) for row in demo.rows)
        rows.append([name, "explain", numbers, demo.summary, demo.source])
    for name, picture in demo_pictures.DEMO_PICTURES.items():
        rows.append([name, "invariance", "{}x{} pixels".format(*picture.size), picture.summary, picture.source])
    return rows


TABLES: dict[str, Callable[[], list[list[str]]]] = {
    "pools": _pools,
    "kernels": _kernels,
    "banks": _banks,
    "recipes": _recipes,
    "formats": _formats,
    "paddings": _paddings,
    "demos": _demos,
}


class _Table(click.Choice):  # type: ignore[type-arg, unused-ignore]  # generic from Click 8.2 on only
    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # no ctx before 8.2
        """What to write, in one line."""
        return f"Write one of {alternatives(TABLES)}."


@click.command(
    "list",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli list pools
  poolcli list kernels | grep sobel""",
)
@click.argument(
    "table",
    cls=Argument,
    type=_Table(list(TABLES)),
    metavar="TABLE",
    help=f"What to list: {alternatives(TABLES)}.",
)
def command(table: str) -> None:
    """List the pools, kernels, banks, recipes, formats, paddings and demos."""
    rows = TABLES[table]()
    to_stdout(write_stdout, ("\n".join(align_columns(rows, left=len(rows[0]))) + "\n").encode())
