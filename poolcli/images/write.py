"""Writing a result: the formats, and a map encoded in one of them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from poolcli.display import printable, quoted
from poolcli.errors import OptionError, OutputError, alternatives
from poolcli.images.embedded import embedding, png_text
from poolcli.images.pillow_guard import quiet_pillow
from poolcli.images.png import encode_png
from poolcli.images.quantize import output_values, pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.images.quantize import Scale


class Format(NamedTuple):
    """A format of results.

    Attributes
    ----------
    name : str
        As ``--format`` takes it.
    suffixes : tuple of str
        Lower case, with the dot.
    summary : str
        One line, for ``poolcli list formats``.
    pillow : str or None
        Pillow's name; None for arrays, which numpy writes.
    depths : tuple
        Of 8, 16 and ``"float"``; colour has 8 only.
    color : bool
        Whether it holds three channels.
    recipe : str
        Where the recipe is stored; empty if nowhere.
    max_side : int or None
        Largest height and width in pixels; None for no limit.
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str
    pillow: str | None
    depths: tuple[int | str, ...]
    color: bool
    recipe: str
    max_side: int | None = None


FORMATS = {
    entry.name: entry
    for entry in (
        Format("png", (".png",), "lossless, gray of 8 or 16 bits, colour", "PNG", (8, 16), True, "text chunk"),
        Format("jpg", (".jpg", ".jpeg"), "lossy, quality 95", "JPEG", (8,), True, "comment, up to 65,533 bytes", 65500),
        Format(
            "tif",
            (".tif", ".tiff"),
            "lossless, also float and the whole numbers of --range raw",
            "TIFF",
            (8, 16, "float"),
            True,
            "image description",
        ),
        Format("webp", (".webp",), "lossless", "WEBP", (8,), True, "XMP", 16383),
        Format("bmp", (".bmp",), "uncompressed", "BMP", (8,), True, ""),
        Format("pgm", (".pgm",), "uncompressed, gray only", "PPM", (8, 16), False, ""),
        Format(
            "npy",
            (".npy",),
            "numpy array, float32 values as computed; whole numbers of --range raw",
            None,
            ("float",),
            True,
            "",
        ),
        Format("npz", (".npz",), "zipped numpy array named output", None, ("float",), True, ""),
    )
}

_SAVE: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
}


def format_of(path: str | os.PathLike[str], name: str | None = None) -> Format:
    """The format of a result: by name when given, else by the path's suffix, in any case.

    Raises
    ------
    OptionError
        No such name or suffix.

    Examples
    --------
    >>> format_of("result.JPEG").name
    'jpg'
    >>> format_of("-", "png").recipe
    'text chunk'
    """
    if name is not None:
        if name not in FORMATS:
            raise OptionError(f"format {quoted(name)}; write {alternatives(FORMATS)}")
        return FORMATS[name]
    suffix = os.path.splitext(os.fspath(path))[1]
    for entry in FORMATS.values():
        if suffix.lower() in entry.suffixes:
            return entry
    known = alternatives(known for entry in FORMATS.values() for known in entry.suffixes)
    raise unknown_suffix(suffix, known)


def unknown_suffix(suffix: str, known: str) -> OptionError:
    """The error of a name with a suffix that none of the known formats has."""
    return OptionError(f"{f'suffix {quoted(suffix)}' if suffix else 'no suffix'}; write a name ending in {known}")


def encode(
    fmt: Format,
    raw: NDArray[Any],
    *,
    scale_factor: float,
    white: float,
    depth: int | str = "auto",
    source_depth: int | None = None,
    value_scale: Scale = "clip",
    description: str | None = None,
    keep_numbers: bool = False,
    missing: tuple[int, int, int] = (0, 0, 0),
) -> bytes:
    r"""Encode a final map as the bytes of a file; the same map gives the same bytes.

    Parameters
    ----------
    fmt : Format
    raw : ndarray of shape (H, W) or (H, W, C)
        The map before scaling. Pictures take (H, W), (H, W, 1) and (H, W, 3); npy and npz any number of channels.
    scale_factor : float
        ``output = float32(raw) * float32(scale_factor)``: what npy, npz and float TIFF hold, unscaled and unclipped.
    white : float
        The raw value shown as white.
    depth : ``"auto"``, 8, 16 or ``"float"``
        ``"auto"`` keeps the source's depth where the format can: 16 bits for gray in png, tif and pgm, float for gray in
        tif, else 8.
    source_depth : 8, 16 or None
        Bits per sample of the picture the map comes from; None for floats.
    value_scale : ``"clip"``, ``"stretch"`` or (low, high)
        As in `pixels`.
    description : str or None
        The recipe, as JSON, stored in the file where the format can hold it.
    keep_numbers : bool
        Whether npy and npz keep integers, and floats of 64 bits, as they are, unscaled; tif then holds whole numbers as
        int32.
    missing : (r, g, b), each 0…255
        The colour of NaN in pixels.

    Returns
    -------
    bytes

    Raises
    ------
    OptionError
        A depth or a number of channels that the format cannot hold.
    OutputError
        More rows or columns than the format allows, or whole numbers that tif would round.

    Examples
    --------
    >>> bytes(encode(FORMATS["pgm"], np.array([[0, 255]], np.uint8), scale_factor=1 / 255, white=255))
    b'P5\n2 1\n255\n\x00\xff'
    """
    if raw.ndim == 3 and raw.shape[2] == 1 and fmt.pillow is not None:
        raw = raw[..., 0]
    bits = output_depth(fmt, raw.shape, depth, source_depth)
    if fmt.pillow is None:
        return _encode_array(fmt, raw if keep_numbers else output_values(raw, scale_factor))
    _check_sides(fmt, raw.shape)
    if keep_numbers and bits == "float":
        raw = _unrounded(raw, depth)
        if raw.dtype == np.int32:
            return _encode_picture(fmt.pillow, raw, description)
    values = pixels(raw, white, depth=bits, scale=value_scale, unit_scale=scale_factor, missing=missing)
    return _encode_picture(fmt.pillow, values, description)


def check_depth(fmt: Format, depth: int | str) -> None:
    """Refuse a depth that the format cannot hold for any picture.

    Raises
    ------
    OptionError
    """
    if depth != "auto" and depth not in fmt.depths:
        able = [entry.name for entry in FORMATS.values() if depth in entry.depths]
        other = f", or choose {alternatives(able)}, which can hold {depth}" if able else ""
        raise OptionError(f"depth {depth} does not fit {fmt.name}; write {alternatives(fmt.depths)}{other}")


def output_depth(fmt: Format, shape: tuple[int, ...], depth: int | str, source_depth: int | None) -> int | str:
    """Bits per sample of a map of this shape in a format, 8, 16 or ``"float"``, where `depth` may be ``"auto"``.

    Raises
    ------
    OptionError
        The format cannot hold such a map.
    """
    gray = len(shape) == 2
    if fmt.pillow is not None and not gray and (shape[2] != 3 or not fmt.color):
        most = "1 or 3 channels" if fmt.color else "1 channel"
        instead = "npy or npz, which hold any number" if shape[2] != 3 else "png, which holds colour"
        raise OptionError(f"{fmt.name} cannot hold {shape[2]} channels, only {most}; choose {instead}")
    if depth == "auto":
        wanted = "float" if source_depth is None else source_depth
        return wanted if wanted in fmt.depths and (gray or fmt.pillow is None) else fmt.depths[0]
    check_depth(fmt, depth)
    if depth != 8 and not gray and fmt.pillow is not None:
        raise OptionError(f"depth {depth} is for gray results; this one has {shape[2]} channels; write 8")
    return depth


def _unrounded(raw: NDArray[Any], depth: int | str) -> NDArray[Any]:
    """Numbers for a TIFF that keeps them: whole ones as int32, the others as they are, for float32.

    Raises
    ------
    OutputError
        Whole numbers that neither type holds.
    """
    limits = np.iinfo(np.int32)
    if raw.dtype.kind in "iu" and depth == "auto" and limits.min <= raw.min() and raw.max() <= limits.max:
        return raw.astype(np.int32)
    present = raw if raw.dtype.kind in "iu" else raw[np.isfinite(raw)]
    with np.errstate(over="ignore"):
        rounded = present.astype(np.float32).astype(np.float64)
    if (present.astype(np.float64) != rounded).any() and (present == np.trunc(present)).all():
        raise OutputError("tif would round these whole numbers to float32; choose npy, which keeps them")
    return raw


def _check_sides(fmt: Format, shape: tuple[int, ...]) -> None:
    if fmt.max_side is not None and max(shape[:2]) > fmt.max_side:
        limit = f"at most {fmt.max_side} rows and columns do; choose png, which has no such limit"
        raise OutputError(f"{shape[0]}x{shape[1]} does not fit {fmt.name}; {limit}")


def _encode_array(fmt: Format, values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    if fmt.name == "npz":
        np.savez(stream, output=values)
    else:
        np.lib.format.write_array(stream, values, allow_pickle=False)
    return stream.getvalue()


def _encode_picture(pillow: str, values: NDArray[Any], description: str | None) -> bytes:
    stream = io.BytesIO()
    try:
        if pillow == "PNG":
            return encode_png(values, png_text(description))
        with quiet_pillow():
            # A new image, so that no metadata, position or colour profile of the source gets into the result.
            image = Image.fromarray(np.ascontiguousarray(values))
            image.save(stream, pillow, **_SAVE.get(pillow, {}), **embedding(pillow, description))
    except MemoryError:
        raise OutputError(f"not enough memory to encode {values.shape[0]}x{values.shape[1]} as {pillow}") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot be encoded as {pillow} ({printable(str(error))})") from error
    return stream.getvalue()
