"""Formats recognised by a file's first bytes: those that are read, and others that the error names."""

from __future__ import annotations

import struct

from poolcli.errors import ImageError

PREFIX_BYTES = 1024
"""First bytes of a stream by which it is decided whether the rest is read."""

ACCEPTED = (
    "PNG, JPEG, GIF, BMP, WebP, TIFF, PBM, PGM, PPM, PFM and AVIF pictures, HEIC with poolcli[heif], and .npy and .npz "
    "arrays are read; use one of these"
)

_READ = {b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}
_READ |= {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF"}
_READ |= {b"P%d" % digit: "PNM" for digit in range(1, 7)} | {b"Pf": "PFM", b"PF": "colour PFM"}

_OTHERS = {
    b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"\0\0\0\x0cJXL ": "JPEG XL", b"\xff\x0a": "JPEG XL",
    b"II\xbc\x01": "JPEG XR", b"\x76\x2f\x31\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"#?RGBE": "Radiance HDR",
    b"%PDF": "PDF", b"%!PS": "PostScript", b"\xc5\xd0\xd3\xc6": "EPS", b"8BPS": "Photoshop (PSD)", b"gimp xcf": "GIMP (XCF)",
    b"\0\0\1\0": "Windows icon (ICO)", b"\0\0\2\0": "Windows cursor (CUR)", b"icns": "Apple icon (ICNS)", b"DDS ": "DDS",
    b"qoif": "QOI", b"FLIF": "FLIF", b"BPG\xfb": "BPG", b"farbfeld": "farbfeld", b"P7": "PAM", b"\x01\xda": "SGI",
    b"\x0a\x05\x01": "PCX", b"\xd7\xcd\xc6\x9a": "Windows metafile (WMF)", b"\x8aMNG": "MNG", b"\x8bJNG": "JNG",
    b"SIMPLE  =": "FITS", b"\x89HDF\r\n": "HDF5", b"CDF\x01": "NetCDF", b"CDF\x02": "NetCDF", b"NIfTI": "NIfTI",
    b"FUJIFILM": "Fujifilm raw", b"IIRO": "Olympus raw", b"IIRS": "Olympus raw", b"IIU\0": "Panasonic raw",
    b"FOVb": "Sigma raw", b"AT&TFORM": "DjVu", b"\x59\xa6\x6a\x95": "Sun raster", b"#define": "XBM", b"/* XPM": "XPM",
    b"\x97JB2": "JBIG2", b"\x1f\x8b": "gzip", b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"7z\xbc\xaf": "7-Zip",
    b"\x28\xb5\x2f\xfd": "zstd", b"Rar!": "RAR", b"\x1aE\xdf\xa3": "Matroska or WebM video", b"OggS": "Ogg",
    b"\x7fELF": "ELF program", b"\x80\4\x95": "pickle", b"MATLAB 5": "MATLAB",
}  # fmt: skip
_BRANDS = {b"crx ": "Canon raw (CR3)", b"avif": "AVIF", b"avis": "AVIF"}
_BRANDS |= dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC")


def kind_read(prefix: bytes) -> str | None:
    """The format of a file with this beginning, if poolcli reads it, else None; also None for DIB.

    Examples
    --------
    >>> kind_read(b"GIF89a")
    'GIF'
    """
    if prefix.startswith(b"RIFF") and prefix[8:12] == b"WEBP":
        return "WebP"
    brand = _brand(prefix)
    if brand in {"AVIF", "HEIC"}:
        return brand
    return next((name for magic, name in _READ.items() if prefix.startswith(magic)), None)


def _brand(prefix: bytes) -> str | None:
    """The format of an ISO media file (HEIC, AVIF, video) by its main brand, then by its compatible brands."""
    if prefix[4:8] != b"ftyp":
        return None
    end = min(struct.unpack(">I", prefix[:4])[0], len(prefix))
    brands = [prefix[8:12], *(prefix[at : at + 4] for at in range(16, end - 3, 4))]
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return known[0] if known else "HEIF" if brands[0] in {b"mif1", b"msf1"} else "MP4 or QuickTime video"


def kind_named(prefix: bytes) -> str | None:
    """The name of a known format that is not read, by a file's first kilobyte.

    Examples
    --------
    >>> kind_named(b"%PDF-1.7")
    'PDF'
    """
    text = prefix.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if prefix.startswith(b"RIFF"):
        return "AVI video" if prefix[8:12] == b"AVI " else "WAV sound" if prefix[8:12] == b"WAVE" else None
    if b"<svg" in text and text.startswith(b"<"):
        return "SVG"
    if text.startswith((b"<!doctype html", b"<html")):
        return "HTML page"
    if named := _brand(prefix) or _named_by_header(prefix):
        return named
    return next((name for magic, name in _OTHERS.items() if prefix.startswith(magic)), None)


def _named_by_header(prefix: bytes) -> str | None:
    """The name of a format that is not known by its first bytes alone."""
    if prefix[128:132] == b"DICM":
        return "DICOM"
    if prefix[:2] == b"BA" and prefix[14:16] == b"BM":
        return "OS/2 bitmap array"
    return "Targa (TGA)" if _is_targa(prefix) else None


def _is_targa(prefix: bytes) -> bool:
    """Whether all numbers of the header could be those of a Targa file, which has no magic number."""
    if len(prefix) < 18:
        return False
    palette, kind, first, colors, depth = struct.unpack_from("<BBHHB", prefix, 1)
    width, height, bits, flags = struct.unpack_from("<HHBB", prefix, 12)
    has_palette = palette == 1 and 0 < colors <= 256 and depth in {15, 16, 24, 32}
    no_palette = palette == first == colors == depth == 0
    fits = {1: has_palette and bits in {8, 16}, 2: bits in {15, 16, 24, 32}, 3: bits in {8, 16}}.get(kind & ~8, False)
    return fits and (has_palette or no_palette) and width > 0 and height > 0 and flags & 0xC0 == 0


def not_a_picture(prefix: bytes) -> ImageError:
    """The error about a file with this beginning, which is of no format that is read."""
    named = kind_named(prefix)
    if named == "HEIC":
        return ImageError("HEIC is not read without an extra package; install it with pip install 'poolcli[heif]'")
    return ImageError(f"{named} is not read; {ACCEPTED}" if named else f"not a picture; {ACCEPTED}")


def check_prefix(prefix: bytes) -> None:
    """Refuse a stream whose first kilobyte belongs to no format that is read.

    Raises
    ------
    ImageError
    """
    is_dib = prefix[:4] in {struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124)}
    is_array = prefix.startswith((b"\x93NUMPY", b"PK\3\4"))
    if prefix and kind_read(prefix) is None and not is_dib and not is_array:
        raise not_a_picture(prefix)


def jpeg_not_read(data: bytes) -> str | None:
    r"""The kind of JPEG by its frame header, if it is one that Pillow does not read.

    Examples
    --------
    >>> jpeg_not_read(b"\xff\xd8\xff\xc1\0\x0b\x0c\0\1\0\1\1\0\0\0")
    '12-bit JPEG'
    """
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker in {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}:
            bits, channels = data[at + 4], data[at + 9]
            if marker == 0xF7:
                return "JPEG-LS"
            if bits != 8:
                return f"{bits}-bit JPEG"
            if marker not in {0xC0, 0xC1, 0xC2}:
                return "lossless JPEG" if marker == 0xC3 else "hierarchical or arithmetic JPEG"
            if data[at + 5 : at + 7] == b"\0\0":
                return "JPEG whose height comes after its data (DNL)"
            return None if channels in {1, 3, 4} else f"JPEG of {channels} channels"
        at += 2 + length
    return None
