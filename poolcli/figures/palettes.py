"""Colour tables: Matplotlib's palettes without importing it, Okabe and Ito's colours, and those of text and lines."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Color = tuple[int, int, int]
Palette = Literal["gray", "RdBu_r", "magma", "Blues_r"]

INK: Color = (26, 26, 26)
"""Text on the background."""
MUTED: Color = (90, 90, 90)
"""Secondary text."""
FRAME: Color = (160, 160, 160)
"""Thin lines around maps and cells."""
PALE: Color = (222, 222, 222)
"""Filled areas in the background."""
PAPER: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
"""The background; text on dark and on light cells."""
FAILURE: Color = (155, 28, 28)
"""Why a picture could not be processed."""

MISSING: Color = (150, 190, 160)
"""Cells without a value: a colour that no palette of maps has."""

OKABE_ITO: dict[str, Color] = {
    "black": (0, 0, 0),
    "orange": (230, 159, 0),
    "sky blue": (86, 180, 233),
    "bluish green": (0, 158, 115),
    "yellow": (240, 228, 66),
    "blue": (0, 114, 178),
    "vermillion": (213, 94, 0),
    "reddish purple": (204, 121, 167),
}
"""Eight colours that colour-blind readers can tell apart (Okabe and Ito, Color Universal Design, 2008)."""

OUTLINES: tuple[Color, ...] = tuple(
    OKABE_ITO[name] for name in ("vermillion", "sky blue", "bluish green", "reddish purple", "orange", "blue")
)
"""Colours of outlines over maps, in the order in which they are used."""


def text_color_on(color: Color) -> Color:
    """Black or white, whichever has more contrast with a background colour: never less than 4.5 to 1.

    The contrast ratio is (L1 + 0.05) / (L2 + 0.05) of the relative luminances, the lighter one first (W3C, Web Content
    Accessibility Guidelines 2.2, success criterion 1.4.3).

    Parameters
    ----------
    color : (red, green, blue)
        From 0 to 255.

    Examples
    --------
    >>> text_color_on((0, 0, 4)), text_color_on((214, 96, 77))
    ((255, 255, 255), (0, 0, 0))
    """
    levels = [level / 255 for level in color]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else PAPER


@cache
def color_table(palette: Palette) -> NDArray[np.uint8]:
    """The 256 colours of a palette, lowest value first.

    Returns
    -------
    ndarray of shape (256, 3), uint8

    Examples
    --------
    >>> color_table("magma")[[0, 255]].tolist()
    [[0, 0, 4], [252, 253, 191]]
    """
    if palette == "gray":
        return np.arange(256, dtype=np.uint8)[:, np.newaxis].repeat(3, axis=1)
    return np.frombuffer(bytes.fromhex(_TABLES[palette]), np.uint8).reshape(256, 3)


_TABLES = {
    "RdBu_r": """
        05306106326407346708366a09386d0a3b700c3d730d3f760e41790f437b10457e114781124984134c87144e8a15508d175290185493
        1956961a58991b5a9c1c5c9f1d5fa21e61a51f63a82065ab2267ac2369ad246aae266caf276eb02870b12a71b22b73b32c75b42e77b5
        2f79b5307ab6327cb7337eb83480b93681ba3783bb3885bc3a87bd3b88be3c8abe3e8cbf3f8ec0408fc14291c24393c34695c44997c5
        4c99c64f9bc7529dc8569fc959a1ca5ca3cb5fa5cd62a7ce65a9cf68abd06bacd16eaed271b0d375b2d478b4d57bb6d67eb8d781bad8
        84bcd987beda8ac0db8dc2dc90c4dd93c6de96c7df98c8e09bc9e09dcbe1a0cce2a2cde3a5cee3a7d0e4a9d1e5acd2e5aed3e6b1d5e7
        b3d6e8b6d7e8b8d8e9bbdaeabddbeac0dcebc2ddecc5dfecc7e0edcae1eecce2efcfe4efd1e5f0d2e6f0d4e6f1d5e7f1d7e8f1d8e9f1
        dae9f2dbeaf2ddebf2deebf2e0ecf3e1edf3e3edf3e4eef4e6eff4e7f0f4e9f0f4eaf1f5ecf2f5edf2f5eff3f5f0f4f6f2f5f6f3f5f6
        f5f6f7f6f7f7f7f6f6f7f5f4f8f4f2f8f3f0f8f2eff8f1edf9f0ebf9efe9f9eee7f9ede5f9ebe3faeae1fae9dffae8defae7dcfbe6da
        fbe5d8fbe4d6fbe3d4fce2d2fce0d0fcdfcffcdecdfdddcbfddcc9fddbc7fdd9c4fcd7c2fcd5bffcd3bcfbd0b9fbceb7fbccb4facab1
        fac8aff9c6acf9c4a9f9c2a7f8bfa4f8bda1f8bb9ef7b99cf7b799f7b596f6b394f6b191f6af8ef5ac8bf5aa89f5a886f4a683f3a481
        f2a17ff19e7df09c7bef9979ee9677ec9374eb9172ea8e70e98b6ee8896ce6866ae58368e48066e37e64e27b62e17860df765ede735c
        dd7059dc6e57db6b55da6853d86551d7634fd6604dd55d4cd35a4ad25849d05548cf5246ce4f45cc4c44cb4942c94741c84440c6413e
        c53e3dc43b3cc2383ac13639bf3338be3036bd2d35bb2a34ba2832b82531b72230b61f2eb41c2db3192cb1182bae172aab162aa81529
        a51429a213289f12289c1127991027960f27930e26900d268d0c258a0b25870a248409248108237f08237c0722790622760521730421
        7003206d02206a011f67001f
    """,
    "magma": """
        00000401000501010601010802010902020b02020d03030f03031204041405041606051806051a07061c08071e0907200a08220b0924
        0c09260d0a290e0b2b100b2d110c2f120d31130d34140e36150e38160f3b180f3d19103f1a10421c10441d11471e114920114b21114e
        22115024125325125527125829115a2a115c2c115f2d11612f116331116533106734106936106b38106c390f6e3b0f703d0f713f0f72
        400f74420f75440f764510774710784910784a10794c117a4e117b4f127b51127c52137c54137d56147d57157e59157e5a167e5c167f
        5d177f5f187f601880621980641a80651a80671b80681c816a1c816b1d816d1d816e1e81701f81721f81732081752181762181782281
        7922827b23827c23827e24828025828125818326818426818627818827818928818b29818c29818e2a81902a81912b81932b80942c80
        962c80982d80992d809b2e7f9c2e7f9e2f7fa02f7fa1307ea3307ea5317ea6317da8327daa337dab337cad347cae347bb0357bb2357b
        b3367ab5367ab73779b83779ba3878bc3978bd3977bf3a77c03a76c23b75c43c75c53c74c73d73c83e73ca3e72cc3f71cd4071cf4070
        d0416fd2426fd3436ed5446dd6456cd8456cd9466bdb476adc4869de4968df4a68e04c67e24d66e34e65e44f64e55064e75263e85362
        e95462ea5661eb5760ec5860ed5a5fee5b5eef5d5ef05f5ef1605df2625df2645cf3655cf4675cf4695cf56b5cf66c5cf66e5cf7705c
        f7725cf8745cf8765cf9785df9795df97b5dfa7d5efa7f5efa815ffb835ffb8560fb8761fc8961fc8a62fc8c63fc8e64fc9065fd9266
        fd9467fd9668fd9869fd9a6afd9b6bfe9d6cfe9f6dfea16efea36ffea571fea772fea973feaa74feac76feae77feb078feb27afeb47b
        feb67cfeb77efeb97ffebb81febd82febf84fec185fec287fec488fec68afec88cfeca8dfecc8ffecd90fecf92fed194fed395fed597
        fed799fed89afdda9cfddc9efddea0fde0a1fde2a3fde3a5fde5a7fde7a9fde9aafdebacfcecaefceeb0fcf0b2fcf2b4fcf4b6fcf6b8
        fcf7b9fcf9bbfcfbbdfcfdbf
    """,
    "Blues_r": """
        08306b08316d08326e083370083471083573083674083776083877083979083a7a083b7c083c7d083d7f083e81084082084184084285
        08438708448808458a08468b08478d08488e084990084a91084b93084c95084d96084e98084f9908509b08519c09529d0a539e0a549e
        0b559f0c56a00d57a10e58a20e59a20f5aa3105ba4115ca5125da6125ea6135fa71460a81561a91562a91663aa1764ab1865ac1966ad
        1967ad1a68ae1b69af1c6ab01c6bb01d6cb11e6db21f6eb3206fb42070b42171b52272b62373b62474b72575b72676b82777b82979b9
        2a7ab92b7bba2c7cba2d7dbb2e7ebc2f7fbc3080bd3181bd3282be3383be3484bf3585bf3686c03787c03888c13989c13a8ac23b8bc2
        3c8cc33d8dc43e8ec43f8fc54090c54191c64292c64493c74594c74695c84896c84997c94a98c94b98ca4d99ca4e9acb4f9bcb519ccc
        529dcc539ecd549fcd56a0ce57a0ce58a1cf5aa2cf5ba3d05ca4d05da5d15fa6d160a7d261a7d263a8d364a9d365aad466abd468acd5
        69add56aaed66caed66dafd76fb0d771b1d772b2d874b3d875b4d877b5d979b5d97ab6d97cb7da7db8da7fb9da81badb82bbdb84bcdb
        85bcdc87bddc89bedc8abfdd8cc0dd8dc1dd8fc2de91c3de92c4de94c4df95c5df97c6df99c7e09ac8e09cc9e19dcae19fcae1a0cbe2
        a1cbe2a3cce3a4cce3a5cde3a6cee4a8cee4a9cfe5aacfe5abd0e6add0e6aed1e7afd1e7b0d2e7b2d2e8b3d3e8b4d3e9b5d4e9b7d4ea
        b8d5eab9d6eabad6ebbcd7ebbdd7ecbed8ecbfd8edc1d9edc2d9eec3daeec4daeec6dbefc7dbefc7dcefc8dcf0c9ddf0caddf0cadef0
        cbdef1ccdff1cddff1cde0f1cee0f2cfe1f2d0e1f2d0e2f2d1e2f3d2e3f3d3e3f3d3e4f3d4e4f4d5e5f4d6e5f4d6e6f4d7e6f5d8e7f5
        d9e7f5d9e8f5dae8f6dbe9f6dce9f6dceaf6ddeaf7deebf7dfebf7dfecf7e0ecf8e1edf8e2edf8e3eef8e3eef9e4eff9e5eff9e6f0f9
        e7f0fae7f1fae8f1fae9f2faeaf2fbeaf3fbebf3fbecf4fbedf4fceef5fceef5fceff6fcf0f6fdf1f7fdf2f7fdf2f8fdf3f8fef4f9fe
        f5f9fef5fafef6fafff7fbff
    """,
}
"""Matplotlib's tables: six hexadecimal digits per colour, lowest value first."""
