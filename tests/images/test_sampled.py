"""Random pictures, written byte by byte, are read with the colours that the specification of their format gives."""

import io
import struct

import numpy as np
import pytest
from sampled import KINDS, picture

from poolcli.errors import ImageError
from poolcli.images.bmp import decodes_runs
from poolcli.images.read import read

BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "#ff8000": (255, 128, 0)}
SEEDS = 150


def expected(rgba, background):
    alpha = rgba[..., 3:]
    laid = (rgba[..., :3] * alpha + np.array(background) * (255 - alpha)) / 255
    return np.floor(laid + 0.5).astype(np.int64)


def check(kind, seed):
    made = picture(kind, seed)
    if made.runs and not decodes_runs():
        with pytest.raises(ImageError, match="run-length coding is not read with Pillow"):
            read(io.BytesIO(made.data))
        return
    translucent = ((made.rgba[..., 3] > 0) & (made.rgba[..., 3] < 255)).any()
    tolerance = max(made.rounding, int(translucent))
    for background, color in BACKGROUNDS.items():
        want = expected(made.rgba, color)
        each = read(io.BytesIO(made.data), channels="each", background=background, page=made.page).values.astype(int)
        gray = read(io.BytesIO(made.data), background=background, page=made.page).values.astype(int)
        each, gray = (values >> 8 if made.deep else values for values in (each, gray))
        if each.ndim == 2:
            assert made.gray
            each = np.repeat(each[..., None], 3, -1)
        where = f"{kind} of seed {seed} on {background}: {made.note}"
        assert each.shape == want.shape, where
        np.testing.assert_allclose(each, want, rtol=0, atol=tolerance, err_msg=where)
        luma = (19595 * want[..., 0] + 38470 * want[..., 1] + 7471 * want[..., 2] + 0x8000) >> 16
        np.testing.assert_allclose(gray, luma, rtol=0, atol=2 * tolerance, err_msg=where)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_read_as_the_specification_says(kind):
    for seed in range(SEEDS):
        check(kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_more(kind):
    for seed in range(SEEDS, SEEDS + 10_000):
        check(kind, seed)


@pytest.mark.parametrize("kind", ["png", "apng", "gif", "bmp", "tiff"])
@pytest.mark.promise("A7")
def test_a_file_cut_anywhere_is_refused_or_whole(kind):
    """Every cut ends in an error or, where only a trailer is missing, in the same picture."""
    for seed in range(8):
        made = picture(kind, seed)
        if made.runs and not decodes_runs():
            continue
        whole = read(io.BytesIO(made.data), page=made.page).values
        for cut in range(0, len(made.data), max(1, len(made.data) // 60)):
            try:
                part = read(io.BytesIO(made.data[:cut]), page=made.page).values
            except ImageError:
                continue
            np.testing.assert_array_equal(
                part, whole, err_msg=f"{kind} of seed {seed} cut at {cut} of {len(made.data)}"
            )


@pytest.mark.parametrize(("mask", "refused"), [(0x8000, True), (0, False)])
@pytest.mark.parametrize("size", [56, 108, 124])
def test_alpha_of_16_bit_bmp_is_not_dropped(size, mask, refused):
    header = struct.pack("<IiiHHIIiiII", size, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    header = (header + struct.pack("<4I", 0x7C00, 0x3E0, 0x1F, mask)).ljust(size, b"\0")
    data = b"BM" + struct.pack("<IHHI", 18 + size, 0, 0, 14 + size) + header + b"\xff\x7f\xff\xff"

    if refused:
        with pytest.raises(ImageError, match="16-bit BMP with alpha is not read"):
            read(io.BytesIO(data))
    else:
        np.testing.assert_array_equal(read(io.BytesIO(data)).values, [[255, 255]])
