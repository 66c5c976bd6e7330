"""Opening untrusted files: only formats of a fixed list, the size checked on the header.

Everything here guards against damaged or hostile input. Pillow gets a file object that we opened, never a name: given
a name it maps some formats into memory, and if such a file becomes shorter meanwhile, the process is killed.
"""

from __future__ import annotations

import io
import os
import stat
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from poolcli.display import printable
from poolcli.errors import ImageError, PoolcliError
from poolcli.images import tiff
from poolcli.images.known_formats import (
    ACCEPTED,
    PREFIX_BYTES,
    check_prefix,
    jpeg_not_read,
    kind_named,
    kind_read,
    not_a_picture,
)
from poolcli.images.png_chunks import check_png
from poolcli.limits import shortage

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PIXELS = 178_956_970

WRITER_SECONDS = 5
"""Seconds to wait for a program to begin writing to a named pipe."""

# No others: EPS in particular, whose reader starts Ghostscript, whatever the file's suffix is.
PILLOW_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "PPM", "WEBP", "TIFF", "AVIF")

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".avif", ".heic", ".heif", ".npy", ".npz",
)  # fmt: skip
"""Usual suffixes of these formats: to find pictures in a folder. How a file is read depends on its content only."""

# Pillow's module and name for each; PFM is read by that of PNM. DIB has no magic number and is found by trying.
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

# Words of Pillow's errors about undamaged files of a kind that it does not decode.
_NOT_READ = (
    "unsupported",
    "not supported",
    "not yet supported",
    "cannot handle",
    "unknown raw mode",
    "unknown pixel mode",
)

_KINDS = (
    (stat.S_ISDIR, "is a directory; write the name of a picture file, or use poolcli batch"),
    (stat.S_ISSOCK, "is a socket, not a regular file; write the name of a picture file, or - for stdin"),
    (stat.S_ISBLK, "is a device, not a regular file; write the name of a picture file, or - for stdin"),
)


@contextmanager
def open_bytes(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable stream of a regular file, or of all bytes of a pipe, device or stream, and its length in bytes.

    Pipes, devices and streams are read to their end, unless the first kilobyte shows that they hold no picture.

    Raises
    ------
    ImageError
        A folder or socket, empty, no picture, a pipe that nobody writes to, or refused by the operating system.
    """
    with ExitStack() as stack:
        stream: BinaryIO
        with _os_errors():
            if isinstance(source, str | os.PathLike):
                # Without O_NONBLOCK, opening a named pipe without a writer would never return.
                flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
                descriptor = os.open(source, flags | getattr(os, "O_BINARY", 0))
                length = _length(descriptor)
                stream = stack.enter_context(open(descriptor, "rb"))
                if length is None:
                    _wait_for_writer(descriptor)
            else:
                stream, length = source, None
            if length is None:
                stream = stack.enter_context(io.BytesIO(_all_bytes(stream)))
                length = stream.seek(0, io.SEEK_END)
                stream.seek(0)
        if not length:
            raise ImageError(f"empty file; {ACCEPTED}")
        yield stream, length


def _all_bytes(stream: BinaryIO) -> bytes:
    prefix = b""
    while len(prefix) < PREFIX_BYTES and (more := stream.read(PREFIX_BYTES - len(prefix))):
        prefix += more
    check_prefix(prefix)
    return prefix + stream.read() if len(prefix) == PREFIX_BYTES else prefix


def _wait_for_writer(descriptor: int) -> None:
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        from select import select

        if not select([descriptor], [], [], WRITER_SECONDS)[0]:
            raise ImageError(
                f"is a pipe that nobody wrote to within {WRITER_SECONDS} s; start the program that writes to it"
            )
    os.set_blocking(descriptor, True)


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


def _length(descriptor: int) -> int | None:
    """Bytes of a regular file; None for a pipe or device."""
    status = os.fstat(descriptor)
    for is_kind, message in _KINDS:
        if is_kind(status.st_mode):
            os.close(descriptor)
            raise ImageError(message)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def open_picture(stream: BinaryIO, max_pixels: int) -> ImageFile.ImageFile:
    """The picture in a stream with its header read and its size checked; no pixel is decoded.

    Call it, and everything that touches its result, inside `pillow_guard.quiet_pillow`.

    Raises
    ------
    ImageError
        Not one of the formats, a damaged header, no pixels, or more than `max_pixels`.
    """
    prefix = stream.read(PREFIX_BYTES)
    stream.seek(0)
    kind = kind_read(prefix)
    with picture_errors(f"{kind} file" if kind else "file"):
        if kind == "GIF":  # Pillow fills the area of a frame while it opens the file
            from poolcli.images.gif_blocks import canvas_size

            width, height, _ = canvas_size(stream, 1)
            check_pixels(height, width, max_pixels)
        elif kind == "PNG":
            check_png(stream)
        try:
            if kind == "HEIC":
                image = _heic(stream, prefix)
            elif kind is None and kind_named(prefix):
                raise not_a_picture(prefix)
            else:
                image = _any_kind(stream) if kind is None else _one_kind(stream, *_PLUGINS[kind])
        except UnidentifiedImageError:
            if kind is None:
                raise not_a_picture(prefix) from None
            raise ImageError(_not_opened(kind, stream)) from None
    check_pixels(image.height, image.width, max_pixels)
    return image


def _not_opened(kind: str, stream: BinaryIO) -> str:
    """Why Pillow did not open a file that starts like a file of this kind."""
    held = tiff.kind_not_read(stream) if kind == "TIFF" else None
    if held is not None:
        return f"TIFF of {held} is not read; {tiff.READ}"
    if kind == "JPEG":
        stream.seek(0)
        held = jpeg_not_read(stream.read())
    if held is not None:
        return f"{held} is not read; save it as 8-bit JPEG, baseline or progressive"
    if kind == "colour PFM":
        return "colour PFM is not read; save it as gray PFM (Pf)"
    return f"{kind} file that is damaged, or of a kind that is not read; save it again, for example as PNG"


def _one_kind(stream: BinaryIO, plugin: str, name: str) -> ImageFile.ImageFile:
    """Open a file of one format, with that format's plugin alone; Pillow itself would load those of five formats first.

    `Image._initialized` makes Pillow take them as loaded; it is restored so that Pillow loads them when it needs them.
    """
    import_module(f"PIL.{plugin}")
    loaded = getattr(Image, "_initialized", 1)
    Image._initialized = max(loaded, 1)  # noqa: SLF001 - there is no other switch
    try:
        return Image.open(stream, formats=(name,))
    finally:
        if Image._initialized == 1:  # noqa: SLF001
            Image._initialized = loaded  # noqa: SLF001


def _heic(stream: BinaryIO, prefix: bytes) -> ImageFile.ImageFile:
    """Open HEIC with pillow_heif, without registering it, so that Pillow's own formats do not change."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise not_a_picture(prefix) from None
    image: ImageFile.ImageFile = HeifImageFile(stream)  # type: ignore[no-untyped-call, unused-ignore]
    return image


def _any_kind(stream: BinaryIO) -> ImageFile.ImageFile:
    # Otherwise Pillow would load all of its 43 plugins for a format that it has not loaded.
    for plugin, _ in _PLUGINS.values():
        import_module(f"PIL.{plugin}")
    return Image.open(stream, formats=PILLOW_FORMATS)


def check_pixels(height: int, width: int, max_pixels: int | None) -> None:
    """Refuse a picture without pixels, or with more than `max_pixels`."""
    if height < 1 or width < 1:
        raise ImageError(f"has no pixels ({height}x{width}); use a picture of at least 1x1")
    if max_pixels is not None and height * width > max_pixels:
        raise ImageError(
            f"{height}x{width} (height x width) is {height * width:,} pixels; "
            f"at most {max_pixels:,} are allowed; raise the limit with --max-pixels"
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
        if lack := shortage(error):
            raise ImageError(f"{lack}: the {what} cannot be decoded") from None
        words = error.args[0].decode("latin-1") if error.args and isinstance(error.args[0], bytes) else str(error)
        text = printable(words.strip() or type(error).__name__)[:200]
        if text == "not enough image data" and what.startswith(("BMP", "DIB")):
            text = "not supported: runs that leave pixels out, unless the file is cut off"
        if any(part in text.lower() for part in _NOT_READ):
            raise ImageError(f"{what} of a kind that is not read ({text}); save it as PNG") from error
        raise ImageError(f"damaged {what} ({text}); copy or save the file again") from error
