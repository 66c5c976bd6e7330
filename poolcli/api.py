"""`poolcli.run`: applies a recipe to one picture; the result can be saved, drawn and shown in a notebook."""

from __future__ import annotations

import base64
import html
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from poolcli import artifacts
from poolcli.display import display_name
from poolcli.figures import PANEL
from poolcli.figures.comparison import render
from poolcli.images.atomic import EXISTS
from poolcli.pipeline import engine, stage_table
from poolcli.pipeline.recipe import Recipe
from poolcli.pipeline.result import Result

if TYPE_CHECKING:
    from poolcli.images.quantize import Scale
    from poolcli.images.read import Picture


@dataclass(frozen=True, eq=False)
class RunResult(Result):
    """What `poolcli.run` returns: a `Result` that can be saved, drawn and shown in a notebook.

    Attributes
    ----------
    picture : Picture
        The picture as it was read.
    path : str or None
        The file of the picture, which `save` never replaces.
    """

    picture: Picture = field(repr=False, kw_only=True)
    path: str | None = field(default=None, repr=False, kw_only=True)

    def save(
        self, path: str | os.PathLike[str], *, scale: Scale = "clip", depth: int | str = "auto", force: bool = False
    ) -> str:
        """Write the final map as ``poolcli run -o PATH`` does.

        Parameters
        ----------
        path : path
            Its suffix chooses the format: png, jpg, tif, webp, bmp, pgm, npy or npz.
        scale : {"clip", "stretch"} or (low, high)
            How values become pixels: clipped to 0…1 (0…255 with range ``"byte"``), the map's own range stretched to
            black and white, or the range from `low` to `high`.
        depth : {"auto", 8, 16, "float"}
            Bits per sample; ``"auto"`` keeps those of the picture where the format can.
        force : bool
            Whether an existing file may be replaced.

        Returns
        -------
        str
            The path.

        Raises
        ------
        OptionError
            An unknown suffix, scale or depth, or the file exists.
        OutputError
            The file cannot be written, or its format cannot hold the map.

        Examples
        --------
        >>> import numpy as np, os, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> saved = run(np.eye(4)).save(os.path.join(folder, "pooled.png"))
        >>> os.path.basename(saved)
        'pooled.png'
        """
        name = os.fspath(path)
        output = artifacts.artifact("result", name)
        pixels = artifacts.PixelOptions(scale, depth)
        sources = [] if self.path is None else [self.path]
        try:
            artifacts.check_artifacts([output], self.recipe, sources, pixels=pixels, force=force)
            (contents,) = artifacts.encode_all(self, [output], pixels)
            artifacts.write_files([name], contents, force=force)
        except artifacts.RefusedError as refused:
            reason = str(refused.error)
            if reason == EXISTS:
                reason = "exists already; choose another name, or replace it with force=True"
            raise type(refused.error)(f"{display_name(refused.path)}: {reason}") from None
        return name

    def figure(self, fmt: str = "png") -> bytes:
        """Draw the comparison figure Input | Filter | Detect | Condense, as ``poolcli run --figure`` does.

        Parameters
        ----------
        fmt : {"png", "svg", "pdf"}

        Returns
        -------
        bytes
            The contents of a file.

        Raises
        ------
        ValueError
            `fmt` is another format.
        PoolcliError
            Matplotlib, which draws SVG and PDF, cannot be imported.

        Examples
        --------
        >>> import numpy as np
        >>> run(np.eye(8)).figure()[1:4]
        b'PNG'
        """
        return render(self._drawn, fmt)

    @cached_property
    def _drawn(self) -> Result:
        """The same run with displays kept; `run` itself keeps none, to save time."""
        return engine.execute(self.picture, self.recipe, panel=PANEL)

    def _repr_png_(self) -> bytes:
        return self.figure("png")

    def _repr_html_(self) -> str:
        """The figure and the table of stages; a notebook shows only the HTML where there are HTML and PNG."""
        header, table = stage_table.table(self)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table)
        figure = base64.b64encode(self.figure("png")).decode()
        return (
            f'<img src="data:image/png;base64,{figure}" alt="Comparison of the stages" style="max-width: 100%">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def run(image: Any, recipe: Recipe | None = None, threads: int | None = None, statistics: bool = True) -> RunResult:
    """Apply a recipe to one picture.

    Parameters
    ----------
    image : path, Pillow image, or array_like of shape (H, W) or (H, W, C)
        A file that ``poolcli run`` reads, an array, or anything with ``__array__``, such as a tensor. Arrays of uint8
        and uint16 are pictures, whose values become 0…1 in the range ``"unit"``; other numbers are not scaled. With
        ``layout="planes"`` in the recipe, arrays have the shape (…, H, W).
    recipe : Recipe, optional
        Made by `poolcli.recipe`; 2x2 max pooling by default.
    threads : int, optional
        By default as many as there are cores, for large pictures. The result does not depend on it.
    statistics : bool
        Whether `RunResult.stages` have minimum, maximum, mean and share of values above 0.

    Returns
    -------
    RunResult
        `output` is the final map, of shape (H, W) or (H, W, C), float32. A notebook shows figure and table of stages.

    Raises
    ------
    ImageError
        The picture cannot be read.
    OptionError
        A setting is wrong for this kind of picture.
    SizeError
        A window does not fit its map.

    Examples
    --------
    >>> import numpy as np
    >>> from poolcli import recipe
    >>> result = run(np.arange(16, dtype=np.uint8).reshape(4, 4), recipe(range="byte"))
    >>> result.output
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    recipe = Recipe() if recipe is None else recipe
    picture = engine.read_picture(image, recipe)
    result = engine.execute(picture, recipe, threads=threads, statistics=statistics)
    path = os.fspath(image) if isinstance(image, str | os.PathLike) else None
    return RunResult(**vars(result), picture=picture, path=path)
