"""`poolcli list`: what there is, from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from poolcli.cli.console import aligned, write_stdout
from poolcli.cli.group import failure
from poolcli.errors import PoolcliError

if TYPE_CHECKING:
    from collections.abc import Callable


def _pools() -> list[list[str]]:
    from poolcli.ops.kinds import POOLS

    rows = [["kind", "also", "parameter", "what it gives", "padded cells", "as in"]]
    for name, pool in POOLS.items():
        parameter = f"--{pool.parameter.name} ({pool.parameter.default:g})" if pool.parameter else ""
        rows.append([name, ", ".join(pool.aliases), parameter, pool.summary, pool.neutral, pool.reference])
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


TABLES: dict[str, Callable[[], list[list[str]]]] = {
    "pools": _pools,
    "kernels": _kernels,
    "recipes": _recipes,
    "formats": _formats,
}


@click.command(
    "list",
    epilog="""\b
Examples:
  poolcli list pools
  poolcli list kernels | grep sobel""",
)
@click.argument("what", type=click.Choice(list(TABLES)))
def command(what: str) -> None:
    """List the pools, kernels, recipes and formats."""
    rows = TABLES[what]()
    try:
        write_stdout(("\n".join(aligned(rows, left=len(rows[0]))) + "\n").encode())
    except PoolcliError as error:
        raise failure(error, "stdout") from None
