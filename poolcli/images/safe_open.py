"""Opening a file that may be anything: regular files only, formats from a fixed list, size checked on the header.

Everything here guards against input that is damaged or hostile. Pillow gets a file object that we opened,
never a name: given a name it maps some formats into memory, and a file that shrinks meanwhile kills the process.
"""

from __future__ import annotations

import io
import os
import stat
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from poolcli.errors import ImageError, PoolcliError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PIXELS = 178_956_970

# Everything else stays closed; EPS above all, whose reader starts Ghostscript whatever the file is called.
PILLOW_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "PPM", "WEBP", "TIFF", "AVIF")
ACCEPTED = "PNG, JPEG, GIF, BMP, WebP, TIFF, PBM, PGM, PPM, PFM and AVIF pictures and .npy arrays are accepted"

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".avif", ".npy",
)  # fmt: skip
"""How files of these formats are usually called: for choosing among files that nobody named; content decides."""

_MAGIC = {b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"GIF8": "GIF", b"BM": "BMP", b"RIFF": "WebP"}
_MAGIC |= {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF"}
_MAGIC |= {b"P%d" % digit: "PNM" for digit in range(1, 7)} | {b"Pf": "PFM", b"PF": "colour PFM"}
# Pillow's module and name for each; PFM is read by that of PNM. What has no magic of its own is found by trying.
_PLUGINS = {
    "PNG": ("PngImagePlugin", "PNG"),
    "JPEG": ("JpegImagePlugin", "JPEG"),
    "GIF": ("GifImagePlugin", "GIF"),
    "BMP": ("BmpImagePlugin", "BMP"),
    "PNM": ("PpmImagePlugin", "PPM"),
    "PFM": ("PpmImagePlugin", "PPM"),
    "colour PFM": ("PpmImagePlugin", "PPM"),
    "WebP": ("WebPImagePlugin", "WEBP"),
    "TIFF": ("TiffImagePlugin", "TIFF"),
    "AVIF": ("AvifImagePlugin", "AVIF"),
}
_KINDS_READ = {
    "TIFF": "gray of 1 to 16 or 32 bits or float32, and colour of 8 or 16 bits, are accepted",
    "colour PFM": "gray PFM (Pf) is accepted",
}

_KINDS = (
    (stat.S_ISDIR, "is a directory; a picture file is expected"),
    (stat.S_ISFIFO, "is a named pipe, not a regular file; a picture file or - for stdin is expected"),
    (stat.S_ISSOCK, "is a socket, not a regular file; a picture file or - for stdin is expected"),
    (stat.S_ISCHR, "is a device, not a regular file; a picture file or - for stdin is expected"),
    (stat.S_ISBLK, "is a device, not a regular file; a picture file or - for stdin is expected"),
)


def display_name(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""Name of a file, fit for a terminal, a log line or a figure.

    Control characters, line separators, invisible and direction-changing characters and bytes that are not UTF-8
    are shown escaped, so that no file name can forge a line or repaint a terminal.

    Parameters
    ----------
    path : str, bytes or path-like

    Returns
    -------
    str

    Examples
    --------
    >>> print(display_name("two\nlines.png"))
    two\x0alines.png
    >>> print(display_name(b"latin1_\xe9.png"))
    latin1_\xe9.png
    """
    return printable(os.fsdecode(path))


def printable(text: str) -> str:
    """Text with everything that is not a visible character escaped; lone surrogates are the bytes they stand for."""
    if text.isascii() and text.isprintable():
        return text
    from unicodedata import category

    return "".join(_escaped(character, category(character)) for character in text)


def _escaped(character: str, category: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if category not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@contextmanager
def open_bytes(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable stream of a regular file, or of all bytes of a stream, and its length in bytes.

    Raises
    ------
    ImageError
        Not a regular file, empty, or refused by the operating system.
    """
    with ExitStack() as stack:
        stream: BinaryIO
        with _os_errors():
            if isinstance(source, str | os.PathLike):
                # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
                flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
                descriptor = os.open(source, flags | getattr(os, "O_BINARY", 0))
                length = _regular_length(descriptor)
                stream = stack.enter_context(open(descriptor, "rb"))
            else:
                stream = stack.enter_context(io.BytesIO(source.read()))
                length = stream.seek(0, io.SEEK_END)
                stream.seek(0)
        if not length:
            raise ImageError(f"empty file; {ACCEPTED}")
        yield stream, length


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except IsADirectoryError:
        raise ImageError(_KINDS[0][1]) from None
    except MemoryError:
        raise ImageError("not enough memory to read the file") from None
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in the name
        raise ImageError(f"not a usable file name ({error})") from None


def _regular_length(descriptor: int) -> int:
    status = os.fstat(descriptor)
    for is_kind, message in _KINDS:
        if is_kind(status.st_mode):
            os.close(descriptor)
            raise ImageError(message)
    return status.st_size


def open_picture(stream: BinaryIO, max_pixels: int) -> ImageFile.ImageFile:
    """The picture in a stream with its header read and its size checked; no pixel is decoded.

    Call it, and everything that touches its result, inside `quiet.quiet_pillow`.

    Raises
    ------
    ImageError
        Not one of the formats, a damaged header, no pixels, or more than `max_pixels`.
    """
    with picture_errors("file header"):
        prefix = stream.read(16)
        stream.seek(0)
        kind = next((name for magic, name in _MAGIC.items() if prefix.startswith(magic)), None)
        try:
            image = _any_kind(stream) if kind is None else _one_kind(stream, *_PLUGINS[kind])
        except UnidentifiedImageError:
            if kind is None:
                raise ImageError(f"not a picture; {ACCEPTED}") from None
            advice = _KINDS_READ.get(kind, "a complete, undamaged file is expected")
            raise ImageError(f"starts like a {kind} file, but is damaged or of a kind not read; {advice}") from None
    check_pixels(image.height, image.width, max_pixels)
    return image


def _one_kind(stream: BinaryIO, plugin: str, name: str) -> ImageFile.ImageFile:
    """Open a file of one format, without the plugins of five that Pillow would load before it looks at a stream.

    Pillow is told that it has them. Told so for longer, by two threads at a time, it would load what it misses later.
    """
    import_module(f"PIL.{plugin}")
    loaded = getattr(Image, "_initialized", 1)
    Image._initialized = max(loaded, 1)  # noqa: SLF001 - there is no other switch
    try:
        return Image.open(stream, formats=(name,))
    finally:
        if Image._initialized == 1:  # noqa: SLF001
            Image._initialized = loaded  # noqa: SLF001


def _any_kind(stream: BinaryIO) -> ImageFile.ImageFile:
    # Pillow loads some plugins by itself, and all 43 when it meets a format it has not loaded.
    for plugin, _ in _PLUGINS.values():
        import_module(f"PIL.{plugin}")
    return Image.open(stream, formats=PILLOW_FORMATS)


def check_pixels(height: int, width: int, max_pixels: int | None) -> None:
    """Refuse a picture without pixels, or with more than `max_pixels`."""
    if height < 1 or width < 1:
        raise ImageError(f"has no pixels ({height}x{width}); at least 1x1 is expected")
    if max_pixels is not None and height * width > max_pixels:
        raise ImageError(
            f"{height}x{width} (height x width) is {height * width:,} pixels; "
            f"at most {max_pixels:,} are accepted, --max-pixels raises the limit"
        )


@contextmanager
def picture_errors(what: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError` of one line."""
    try:
        yield
    except PoolcliError:
        raise
    except MemoryError:
        raise ImageError(f"not enough memory to decode the {what}") from None
    except Exception as error:
        # Damaged files make Pillow raise OSError, ValueError, SyntaxError, struct.error, TypeError and more.
        text = printable(str(error) or type(error).__name__)[:200]
        raise ImageError(f"damaged {what} ({text}); a complete, undamaged file is expected") from error
