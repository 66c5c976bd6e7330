"""Stochastic pooling: cells come as often as their values say, and each draw follows from the seed and the place alone."""

import math

import numpy as np
import pytest
import reference
from tiny import tiny_strips

import poolcli
from poolcli.errors import OptionError
from poolcli.ops.stochastic import uniform

CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27, 5: 20.52, 15: 37.70, 63: 103.44}
"""Exceeded once in a thousand times, by degrees of freedom."""


def chi_square(counts, probabilities):
    expected = np.asarray(probabilities) * np.sum(counts)
    return float((np.square(counts - expected) / expected).sum())


@pytest.mark.parametrize("seed", [0, 1, 7, 2**40, 2**64 - 1])
@pytest.mark.parametrize(
    "window",
    [[[1, 2], [3, 4]], [[1, 1], [1, 1]], [[0, 5], [-3, 15]], [[0.25, 0.5, 0.01], [3.0, 1e-3, 1.5]]],
    ids=["ramp", "equal", "zero and negative", "small"],
)
def test_cells_come_as_often_as_their_values_say(window, seed):
    """Over planes, rows and columns: each a place of its own."""
    window = np.array(window, np.float32)
    flat = window.ravel()
    likely = np.flatnonzero(flat > 0)
    probabilities = flat[likely] / flat[likely].sum()
    # Cells are told apart by what is added in the last bits; the weights hardly change.
    marked = flat.copy()
    for cell in range(len(flat)):
        for _ in range(cell if flat[cell] > 0 else 0):
            marked[cell] = np.nextafter(marked[cell], np.float32(np.inf))
    for lead, tiles in (((20000,), (1, 1)), ((), (200, 100))):
        x = np.broadcast_to(
            np.tile(marked.reshape(window.shape), tiles),
            (*lead, tiles[0] * window.shape[0], tiles[1] * window.shape[1]),
        )
        y = poolcli.pool2d(x, "stochastic", window.shape, seed=seed)
        assert y.size == 20000
        counts = np.array([np.count_nonzero(y == marked[cell]) for cell in likely])
        assert counts.sum() == y.size
        assert chi_square(counts, probabilities) < CHI_SQUARE[len(likely) - 1]


def test_a_whole_map_is_drawn_from_as_often():
    """Windows that are taken one by one."""
    cells = np.arange(1.0, 65).reshape(8, 8)
    x = np.broadcast_to(cells, (30000, 8, 8))
    for y in (poolcli.global_pool2d(x, "stochastic"), poolcli.global_pool2d(x, "stochastic", seed=5)):
        counts = np.bincount(y.ravel().astype(int), minlength=65)[1:]
        assert chi_square(counts, cells.ravel() / cells.sum()) < CHI_SQUARE[63]


def test_the_random_numbers_are_uniform_and_independent():
    places = np.indices((4, 250, 200))
    u = uniform(3, *places)
    assert ((u >= 0) & (u < 1)).all()
    assert len(np.unique(u)) == u.size
    counts = np.histogram(u, 64, (0, 1))[0]
    assert chi_square(counts, np.full(64, 1 / 64)) < CHI_SQUARE[63]
    for one, other in (
        (u[:, 1:], u[:, :-1]),
        (u[..., 1:], u[..., :-1]),
        (u[1:], u[:-1]),
        (u, uniform(4, *places)),
    ):
        pairs = np.histogram2d(one.ravel(), other.ravel(), 4, ((0, 1), (0, 1)))[0].ravel()
        assert chi_square(pairs, np.full(16, 1 / 16)) < CHI_SQUARE[15]


def test_a_draw_follows_from_the_seed_and_the_place_alone():
    x = np.random.default_rng(0).random((3, 200, 40)).astype(np.float32)
    whole = poolcli.pool2d(x, "stochastic", seed=9)
    with tiny_strips():
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(poolcli.pool2d(x, "stochastic", seed=9, threads=threads), whole)
    np.testing.assert_array_equal(poolcli.pool2d(x[0], "stochastic", seed=9), whole[0])
    np.testing.assert_array_equal(poolcli.pool2d(x[:, :100, :20], "stochastic", seed=9), whole[:, :50, :10])
    assert (
        poolcli.pool2d(np.stack([x[0]] * 2), "stochastic")[0] != poolcli.pool2d(np.stack([x[0]] * 2), "stochastic")[1]
    ).any()
    assert (poolcli.pool2d(x, "stochastic", seed=10) != whole).mean() > 0.5
    np.testing.assert_array_equal(poolcli.pool2d(x, "stochastic"), poolcli.pool2d(x, "stochastic", seed=0))


def test_known_draws():
    """Written down once: the same seed draws the same cells in every version and on every system."""
    assert reference.splitmix(0) == 0xE220A8397B1DCDAF  # the published first output of SplitMix64
    x = np.arange(1, 37, dtype=np.float32).reshape(6, 6)
    np.testing.assert_array_equal(poolcli.pool2d(x, "stochastic", seed=1), reference.pool2d(x, "stochastic", seed=1))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_windows_without_a_positive_cell_give_their_largest(dtype):
    signed = np.dtype(dtype).kind != "u"
    x = np.array([[0, 0, 0, 0], [0, 0, 0, 7]]).astype(dtype)
    np.testing.assert_array_equal(poolcli.pool2d(x, "stochastic"), [[0, 7]])
    if signed:
        x = np.array([[-5, -2, -9, 0], [-3, -4, -1, -1]]).astype(dtype)
        np.testing.assert_array_equal(poolcli.pool2d(x, "stochastic"), [[-2, 0]])


def test_nan_and_infinity():
    x = np.array([[1, np.nan, 1, np.inf, -np.inf, -np.inf, -np.inf, 2]])
    y = poolcli.pool2d(x, "stochastic", (1, 2))
    np.testing.assert_array_equal(y, [[np.nan, np.inf, -np.inf, 2]])
    np.testing.assert_array_equal(poolcli.global_pool2d(x[:, 2:], "stochastic"), [[np.inf]])


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e300, 1.7e308])
def test_numbers_at_the_ends_of_float64(size):
    """Their sum would be 0 or infinite; each cell is drawn nevertheless."""
    places = np.broadcast_to(np.full((2, 2), size), (4000, 2, 2)).copy()
    places[:, 0, 0] = size / 2 if size > 1e-320 else 0
    y = poolcli.pool2d(places, "stochastic").ravel()
    assert set(np.unique(y)) == ({size, size / 2} if size > 1e-320 else {size})
    if size > 1e-320:
        share = [np.count_nonzero(y == size / 2), np.count_nonzero(y == size)]
        assert chi_square(np.array(share), [1 / 7, 6 / 7]) < CHI_SQUARE[1]


def test_only_real_cells_are_drawn():
    x = np.full((5, 5), 3, np.uint8)
    for options in ({"size": 3, "stride": 1, "padding": 2}, {"size": 4, "padding": "same"}, {"size": 2, "ceil": True}):
        np.testing.assert_array_equal(np.unique(poolcli.pool2d(x, "stochastic", **options)), [3])


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", True, math.nan])
def test_a_seed_is_a_whole_number_of_64_bits(seed):
    with pytest.raises(OptionError, match=r"seed=.*: write a whole number from 0 to 2\^64 - 1"):
        poolcli.pool2d(np.ones((4, 4)), "stochastic", seed=seed)


def test_a_seed_is_carried_by_recipes():
    made = poolcli.recipe(pool="stochastic", seed=2**64 - 1, repeat=2)
    again = poolcli.recipe(recipe=made.to_dict())
    assert again == made
    assert again.hash == made.hash != poolcli.recipe(pool="stochastic", seed=3, repeat=2).hash
    x = np.random.default_rng(0).random((32, 32))
    expected = poolcli.pool2d(poolcli.pool2d(x, "stochastic", seed=2**64 - 1), "stochastic", seed=2**64 - 1)
    np.testing.assert_array_equal(poolcli.run(x, again).output, expected.astype(np.float32))


def test_channels_are_explained_as_they_are_drawn():
    pixels = np.random.default_rng(1).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    made = poolcli.recipe(pool="stochastic", channels="each", seed=4)
    result = poolcli.run(pixels, made)
    for channel, one in enumerate(poolcli.explain(pixels, made).explanation.channels):
        np.testing.assert_array_equal(one.stages[0].after, result.output[..., channel])
        for cell in one.stages[0].cells():
            assert one.stages[0].before[cell.winner] == cell.result
            assert cell.arithmetic.startswith("drawn from (")
