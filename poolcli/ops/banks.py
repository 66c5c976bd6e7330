"""BANKS: name -> kernels by name, summary. A bank is applied kernel by kernel; a new bank is one entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from poolcli.ops.kernels import KERNELS, Kernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SIDES = ("left", "right", "top", "bottom", "top-left", "top-right", "bottom-left", "bottom-right")
_SOBEL = tuple(f"sobel-{side}" for side in _SIDES)


class Bank(NamedTuple):
    """Kernels that are applied to one picture, each by itself.

    Attributes
    ----------
    kernels : mapping of str to Kernel
        In order; the names are those of the features.
    summary : str
    """

    kernels: Mapping[str, Kernel]
    summary: str


def gabor_weights(wavelength: int, degrees: int) -> NDArray[np.float64]:
    """Whole weights of an even Gabor kernel: a cosine wave under a round Gaussian; flat areas become 0.

    Parameters
    ----------
    wavelength : int
        Pixels from one crest to the next, 4 or 8.
    degrees : {0, 45, 90, 135}
        Where the wave runs to, clockwise from the right: at 0 its stripes are upright.

    Returns
    -------
    ndarray of shape (n, n), float64
        n is 7 or 13. The weights add up to 0, the positive ones to at most 128: 8-bit pictures stay in 16 bits.

    Notes
    -----
    exp(-(x^2 + y^2) / 2 s^2) cos(2 pi (x cos t + y sin t) / wavelength) less a Gaussian that makes the sum 0 (Daugman,
    1985), s 1.6 and 3.2. It is multiplied by the largest number, and a little of the Gaussian taken off, with which the
    rounded weights keep to these sums.

    Examples
    --------
    >>> gabor_weights(4, 0)[3]
    array([  0., -15.,  -1.,  32.,  -1., -15.,   0.])
    """
    size, spread = {4: (7, 1.6), 8: (13, 3.2)}[wavelength]
    y, x = np.mgrid[:size, :size] - size // 2
    turned = (x + y) / np.sqrt(2) if degrees % 90 else x
    envelope = np.exp(-(x * x + y * y) / (2 * spread * spread))
    wave = envelope * np.cos(2 * np.pi * turned / wavelength)
    wave -= envelope * (wave.sum() / envelope.sum())
    wave = (wave + wave[::-1, ::-1]) / 2  # equal to the last bit, so that both are rounded alike
    largest = 128 / wave[wave > 0].sum()
    taken = sorted(np.arange(-8, 9) / 32, key=abs)
    tried = ((times, less) for times in largest * np.arange(1, 0.8, -1 / 128) for less in taken)
    for times, less in tried:
        weights: NDArray[np.float64] = np.round(wave * times - less * envelope) + 0.0
        if weights.sum() == 0 and weights[weights > 0].sum() <= 128:
            break
    if degrees == 90:
        return weights.T.copy()
    return weights[:, ::-1].copy() if degrees == 135 else weights


def _gabor(wavelength: int, degrees: int) -> Kernel:
    weights = gabor_weights(wavelength, degrees)
    rows = tuple(tuple(row) for row in weights.tolist())
    stripes = {0: "upright", 45: "rising", 90: "level", 135: "falling"}[degrees]
    positive = int(weights[weights > 0].sum())
    return Kernel(rows, f"{stripes} stripes, {wavelength} pixels apart", "Gabor, after Daugman, 1985", divisor=positive)


_GABOR = {f"gabor-{wave}-{degrees}": _gabor(wave, degrees) for wave in (4, 8) for degrees in (0, 45, 90, 135)}

BANKS: dict[str, Bank] = {
    "default": Bank(
        {name: KERNELS[name] for name in ("edge", *_SOBEL, "laplacian", "emboss", "blur")} | _GABOR,
        "outlines, edges in eight directions, relief, brightness, and stripes at four angles and two scales",
    ),
    "sobel": Bank({name: KERNELS[name] for name in _SOBEL}, "edges in eight directions"),
    "gabor": Bank(_GABOR, "stripes at four angles, 4 and 8 pixels apart"),
    "lesson": Bank(
        {name: KERNELS[name] for name in ("edge", "sobel-bottom", "emboss", "sharpen", "blur")},
        "the kernels of the Kaggle computer-vision course",
    ),
}
