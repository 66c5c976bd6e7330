"""The same recipe in other engines: every kind and geometry they have, and what is told where they differ."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image

import poolcli
from poolcli.errors import OptionError, SizeError
from poolcli.experiments import engines
from poolcli.experiments.engine_onnxruntime import OnnxRuntimeEngine
from poolcli.experiments.engine_operation import NotExpressibleError
from poolcli.experiments.engines import ENGINES, EngineEntry, load_engines
from poolcli.experiments.verify import compare_engines, step_maps, ulps_between
from poolcli.pipeline.engine import read_picture

SAMPLES = Path(__file__).parents[2] / "sample_images"
INSTALLED = [
    pytest.param(name, marks=() if all(map(engines.is_installed, entry.packages)) else pytest.mark.skip(f"no {name}"))
    for name, entry in ENGINES.items()
]
PIXELS = np.random.default_rng(4).integers(0, 256, (37, 52), dtype=np.uint8)
REALS = np.random.default_rng(4).standard_normal((37, 52)).astype(np.float32)
COMMON = {
    "max": {},
    "same": {"size": 3, "stride": 2, "padding": "same"},
    "same-lower": {"size": 3, "stride": 2, "padding": "same-lower"},
    "same, stride beyond the size": {"size": 2, "stride": 3, "padding": "same"},
    "sides": {"size": (4, 3), "stride": (1, 2), "padding": "2,1,0,2"},
    "ceil": {"size": 3, "stride": 2, "padding": 1, "ceil": True},
    "deep padding": {"size": 5, "stride": 2, "padding": 4},
    "dilation": {"size": 3, "stride": 2, "dilation": (2, 1)},
    "min": {"pool": "min", "size": 3, "stride": 2, "padding": "same"},
    "average": {"pool": "average", "size": 3, "stride": 2},
    "average, same": {"pool": "average", "size": 3, "stride": 2, "padding": "same"},
    "average, pads counted": {"pool": "average", "size": 3, "stride": 2, "padding": 1, "count_include_pad": True},
    "average, same pads counted": {
        "pool": "average",
        "size": 4,
        "stride": 3,
        "padding": "same",
        "count_include_pad": True,
    },
    "average, large": {"pool": "average", "size": 20, "stride": 3},
    "global max": {"global_pool": True},
    "global average": {"pool": "average", "global_pool": True},
    "global min": {"pool": "min", "global_pool": True},
    "adaptive, evenly": {"resize": (40, 60), "output_size": (8, 15), "pool": "average"},
    "edge": {"kernel": "edge", "pool": "max"},
    "emboss": {"kernel": "emboss", "conv_stride": 2, "conv_dilation": 2, "conv_padding": "3,1,0,2", "repeat": 2},
    "reflect": {"kernel": "emboss", "conv_padding_mode": "reflect", "relu": False},
    "replicate": {"kernel": "blur", "conv_padding_mode": "replicate", "conv_padding": 3, "pool": "average"},
    "real kernel": {"kernel": "0.1 0.7; -0.3 0.123", "pool": "average", "size": 3, "blocks": 2},
    "repeat": {"pool": "average", "repeat": 4},
    "lenet": {"recipe": "lenet", "resize": (32, 32)},
}
SOME = {
    "average, ceil": ("torch onnxruntime", {"pool": "average", "size": 3, "stride": 2, "padding": 1, "ceil": True}),
    "average, sides": ("torch onnxruntime", {"pool": "average", "size": 3, "padding": "1,0,2,1"}),
    "average, same-lower": ("torch onnxruntime", {"pool": "average", "size": 4, "stride": 3, "padding": "same-lower"}),
    "average, dilation": ("tensorflow onnxruntime", {"pool": "average", "size": 3, "dilation": 2, "stride": 2}),
    "lp": ("torch onnxruntime", {"pool": "lp", "size": 3, "stride": 2, "range": "byte"}),
    "lp 3, padding": ("onnxruntime", {"pool": "lp", "p": 3, "size": 3, "stride": 2, "padding": 1, "ceil": True}),
    "global lp": ("torch onnxruntime", {"pool": "lp", "global_pool": True}),
    "sum": ("torch", {"pool": "sum", "size": 3, "padding": 1}),
    "adaptive": ("torch tensorflow", {"output_size": (7, 9)}),
    "adaptive average": ("torch tensorflow", {"output_size": (7, 9), "pool": "average"}),
    "adaptive min, more": ("torch tensorflow", {"output_size": (50, 9), "pool": "min"}),
}


def compared(image, name, **options):
    made = poolcli.recipe(**options)
    (found,) = compare_engines(load_engines([name], pytest.fail), read_picture(image, made), made)
    return found.stages


def assert_kept(stages):
    for stage in stages:
        assert stage.reason == ""
        assert stage.kept, (stage.label, stage.promise, stage.first, stage.largest, stage.ulps)
        assert stage.cells


@pytest.mark.parametrize("image", ["bytes", "reals", "cat.jpg"])
@pytest.mark.parametrize("case", [*COMMON, *SOME])
@pytest.mark.parametrize("name", INSTALLED)
def test_engines_agree(name, case, image):
    having, options = SOME.get(case, (name, COMMON.get(case)))
    if image == "cat.jpg" and case == "average, large":
        options = options | {"stride": 20}
    given = {"bytes": PIXELS, "reals": np.abs(REALS) if case.startswith("lp") else REALS}.get(image, SAMPLES / image)
    stages = compared(given, name, **options)

    if name not in having:
        assert [stage.reason for stage in stages if stage.reason]
        return
    if "sum" in case and image == "reals":  # of both signs: they may cancel
        assert all(stage.kept for stage in stages)
    assert_kept(stages)
    exact = image != "reals" and not {"lp", "global average", "real kernel", "adaptive average", "lenet"} & {
        case,
        case[:2],
    }
    if exact and not case.startswith(("repeat", "replicate", "global lp", "adaptive, ev", "average, large")):
        assert all(stage.equal == stage.cells and stage.largest == stage.ulps == 0 for stage in stages)


@pytest.mark.parametrize("sample", ["circle64.png", "coffee.jpg", "truck.png"])
@pytest.mark.parametrize("name", INSTALLED)
def test_sample_images(name, sample):
    for kind in ("max", "min", "average"):
        for options in ({}, {"size": 3, "stride": 2, "padding": "same"}, {"kernel": "edge", "channels": "each"}):
            stages = compared(SAMPLES / sample, name, pool=kind, **options)
            assert_kept(stages)
            assert all(stage.equal == stage.cells for stage in stages)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_article_on_pooling_from_scratch(name, tmp_path):
    """Its cat of 224x224, and a picture that is not square, where its code fails."""
    with Image.open(SAMPLES / "cat.jpg") as cat:
        cat.convert("L").resize((224, 224)).save(tmp_path / "cat.png")

    (square,) = compared(tmp_path / "cat.png", name)
    (oblong,) = compared(SAMPLES / "cat.jpg", name)

    assert (square.cells, square.equal, square.shape) == (12544, 12544, (112, 112))
    assert (oblong.cells, oblong.equal, oblong.shape) == (33750, 33750, (150, 225))


@settings(derandomize=True, deadline=None, max_examples=80)
@given(data=st.data())
def test_random_windows_in_onnx_runtime(data):
    """Every window that fits is run, and agrees."""
    sides = [data.draw(st.integers(1, 20)) for _ in range(2)]
    size = tuple(data.draw(st.integers(1, 5)) for _ in range(2))
    dilation = tuple(data.draw(st.integers(1, 3)) for _ in range(2))
    extent = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    pads = tuple((data.draw(st.integers(0, e - 1)), data.draw(st.integers(0, e - 1))) for e in extent)
    padding = data.draw(st.sampled_from(["same", "same-lower", "valid", pads]))
    kind = data.draw(st.sampled_from(["max", "min", "average", "lp"]))
    options = {
        "pool": kind, "size": size, "dilation": dilation, "padding": padding,
        "stride": tuple(data.draw(st.integers(1, 5)) for _ in range(2)), "ceil": data.draw(st.booleans()),
    }  # fmt: skip
    x = np.random.default_rng(sides).integers(0, 256, sides).astype(np.uint8)
    try:
        (stage,) = compared(x, "onnxruntime", **options)
    except SizeError:
        return
    if stage.reason:
        assert kind == "average"
        assert stage.reason == "ONNX Runtime's average pooling takes padding below the size of the window only"
    else:
        assert_kept([stage])


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("kind", poolcli.POOLS)
def test_what_an_engine_has_not_is_named(name, kind):
    for options in ({}, {"global_pool": True}, {"output_size": (5, 5)}):
        first, second, stage = compared(PIXELS, name, kernel="edge", pool=kind, **options)
        assert_kept([first, second])
        if stage.reason:
            assert kind in stage.reason or "adaptive" in stage.reason
            assert (stage.kept, stage.cells) == (True, 0)
        else:
            assert kind in ("max", "min", "average", "lp", "sum")


class SameLower:
    """A wrong reference: ONNX Runtime's own SAME_LOWER, whatever is asked for."""

    version = "0"

    def prepare(self, operation, fed):
        windows = operation.sliding
        node = helper.make_node(
            "MaxPool", ["x"], ["y"], kernel_shape=windows.size, strides=windows.stride, auto_pad="SAME_LOWER"
        )
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
        graph = helper.make_graph([node], "wrong", ends[:1], ends[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"x": fed[:, None]})[0][:, 0]


def with_engine(engine, image=PIXELS, **options):
    made = poolcli.recipe(**options)
    (found,) = compare_engines({"onnxruntime": engine}, read_picture(image, made), made)
    return found


def test_a_wrong_reference_is_reported():
    right = with_engine(SameLower(), size=3, stride=2, padding="same-lower")
    wrong = with_engine(SameLower(), size=3, stride=2, padding="same")

    assert right.kept
    assert not wrong.kept
    (stage,) = wrong.stages
    assert (stage.reason, stage.kept, stage.promise) == ("", False, "equal bit for bit")
    upper, lower = (poolcli.pool2d(PIXELS, "max", 3, 2, padding=p).astype(np.float32) for p in ("same", "same-lower"))
    unequal = upper != lower
    assert stage.equal == np.count_nonzero(~unequal)
    assert stage.largest == np.abs(upper - lower).max()
    at = tuple(int(i) for i in np.argwhere(unequal)[0])
    assert stage.first.at == (0, *at)
    assert (stage.first.ours, stage.first.theirs) == (upper[at], lower[at])
    # 37 rows are padded by 1 on both sides, 52 columns at the right only.
    assert (stage.first.rows, stage.first.cols) == ((2 * at[0] - 1, 2 * at[0] + 1), (2 * at[1], 2 * at[1] + 2))
    np.testing.assert_array_equal(
        stage.first.values, PIXELS[max(0, 2 * at[0] - 1) : 2 * at[0] + 2, 2 * at[1] : 2 * at[1] + 3]
    )


class Off(OnnxRuntimeEngine):
    """An engine whose cell 1,2 is some ulps off."""

    def __init__(self, ulps, error=None):
        super().__init__()
        self.ulps, self.error, self.fed = ulps, error, []

    def prepare(self, operation, fed):
        self.fed.append(fed)
        if self.error is not None:
            raise self.error
        work = super().prepare(operation, fed)

        def off():
            made = work().copy()
            for _ in range(self.ulps):
                made[0, 1, 2] = np.nextafter(made[0, 1, 2], np.float32(np.inf))
            return made

        return off


@pytest.mark.parametrize(
    ("options", "ulps", "kept"),
    [
        ({}, 0, True),
        ({}, 1, False),
        ({"pool": "average"}, 1, False),
        ({"pool": "average", "repeat": 1, "size": 3}, 1, False),
        ({"pool": "lp"}, 1, True),
        ({"pool": "lp"}, 100, False),
        ({"kernel": "edge"}, 1, False),
        ({"kernel": "0.1 0.2"}, 1, True),
        ({"kernel": "0.1 0.2"}, 3000, False),
    ],
)
def test_each_step_has_its_promise(options, ulps, kept):
    (stage, *_) = with_engine(Off(ulps), **options).stages
    assert stage.kept == kept
    assert stage.first is None or stage.first.at <= (0, 1, 2)
    assert stage.ulps >= ulps


def test_averages_of_reals_are_promised_to_the_bit_in_pytorch_alone():
    x = np.abs(REALS) + 1
    made = poolcli.recipe(pool="average", size=3)
    for name, kept in (
        ("torch", [True, False, False]),
        ("tensorflow", [True, True, False]),
        ("onnxruntime", [True, True, True]),
    ):
        for ulps, expected in zip((0, 1, 2), kept, strict=True):
            (found,) = compare_engines({name: Off(ulps)}, read_picture(x, made), made)
            assert found.kept == expected, (name, ulps)


@pytest.mark.parametrize(("ulps", "kept"), [(0, True), (2, True), (200, False)])
def test_large_sums_of_integers_are_exact_and_those_of_engines_are_not(ulps, kept):
    """25 cells of a million exceed the whole numbers that float32 has."""
    x = np.random.default_rng(5).integers(900_000, 1_100_000, (20, 30)).astype(np.int32)
    made = poolcli.recipe(pool="average", size=5)
    (found,) = compare_engines({"torch": Off(ulps)}, read_picture(x, made), made)
    assert found.kept == kept
    assert found.stages[0].promise.startswith("within 1e-06 of the exact average")


def test_each_step_is_fed_with_our_map_before():
    options = {"kernel": "blur", "pool": "average", "size": 3, "repeat": 2, "range": "byte"}
    engine, made = Off(3), poolcli.recipe(**options)
    with_engine(engine, **options)

    steps = list(step_maps(read_picture(PIXELS, made), made))
    fed = [PIXELS.astype(np.float32), *(step.ours[0] for step in steps)]
    assert len(engine.fed) == 4
    for one, expected in zip(engine.fed, fed, strict=False):
        np.testing.assert_array_equal(one[0], expected)
    np.testing.assert_allclose(fed[-1], poolcli.run(PIXELS, made).output, rtol=1e-6)


def test_every_channel_and_plane_is_compared():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    stages = with_engine(Off(0), pixels, channels="each").stages
    assert [stage.cells for stage in stages] == [3 * 10 * 15]
    planes = np.random.default_rng(1).standard_normal((2, 3, 20, 30)).astype(np.float64)
    stages = with_engine(Off(0), planes, layout="planes", kernel="edge", pool="average").stages
    assert [stage.cells for stage in stages] == [3600, 3600, 900]
    assert_kept(stages)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float64])
def test_numbers_of_other_types(dtype):
    x = (np.abs(REALS) * 1e4).astype(dtype)
    for options in ({}, {"pool": "average", "repeat": 2}, {"kernel": "edge", "pool": "lp"}):
        assert_kept(with_engine(Off(0), x, **options).stages)


def test_maps_with_nan_are_not_compared():
    x = REALS.copy()
    x[3, 4] = np.nan
    (stage,) = with_engine(Off(0), x, nan="ignore").stages
    assert stage.reason == "the map has NaN, of which each engine makes something else"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotExpressibleError("no such window"), "no such window"),
        (RuntimeError("bad\nthings"), "ONNX Runtime fails: RuntimeError: bad"),
        (ValueError(), "ONNX Runtime fails: ValueError: "),
    ],
)
def test_what_an_engine_refuses_is_told(error, reason):
    (stage,) = with_engine(Off(0, error)).stages
    assert (stage.reason, stage.kept) == (reason, True)


def test_a_map_of_another_size_is_no_kept_promise():
    class Smaller(Off):
        def prepare(self, operation, fed):
            return lambda: fed[:, :2, :3]

    (stage,) = with_engine(Smaller(0)).stages
    assert (stage.kept, stage.promise) == (False, "a map of this size, and not of 2x3")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1.0, 1.0, 0),
        (0.0, -0.0, 0),
        (np.nan, np.nan, 0),
        (np.nan, 1.0, np.inf),
        (np.inf, np.inf, 0),
        (1.0, np.nextafter(np.float32(1), np.float32(2)), 1),
        (-1.0, np.nextafter(np.float32(-1), np.float32(0)), 1),
        (np.float32(1e-45), np.float32(-1e-45), 2),
    ],
)
def test_ulps_between(one, other, expected):
    assert ulps_between(np.float32([one]), np.float32([other])).tolist() == [expected]


# ---------------------------------------------------------------- which engines there are


@pytest.fixture
def fake(monkeypatch):
    """A table of one engine, in a module of the test's own."""

    def make(action, packages=("fake_engine_package",), installed=True):
        module = ModuleType("fake_engine")
        module.Fake = action
        monkeypatch.setitem(sys.modules, "fake_engine", module)
        package = ModuleType(packages[0])
        package.__spec__ = __import__("importlib").machinery.ModuleSpec(packages[0], None)
        if installed:
            monkeypatch.setitem(sys.modules, packages[0], package)
        entry = EngineEntry("Fake", "fake_engine", "Fake", packages, "pip install fake")
        monkeypatch.setattr(engines, "ENGINES", {"fake": entry})

    return make


def test_an_engine_that_is_not_installed_is_named_with_what_to_install(fake):
    fake(lambda: None, installed=False)
    told = []
    with pytest.raises(OptionError, match="with fake: fake_engine_package is not installed; pip install fake"):
        load_engines(["fake"], told.append)
    with pytest.raises(OptionError, match="no engine to verify with: pip install fake"):
        load_engines([], told.append)
    assert told == []


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libfoo.so: cannot open\nmore"),
        OSError("libfoo.so: cannot open"),
        AttributeError("libfoo.so: cannot open"),
    ],
)
def test_an_engine_that_cannot_be_imported(fake, error):
    def broken():
        raise error

    fake(broken)
    kind = type(error).__name__
    with pytest.raises(
        OptionError,
        match=rf"with fake: fake_engine_package cannot be imported \({kind}: libfoo.so: cannot open\); pip install fake again",
    ):
        load_engines(["fake"], pytest.fail)


def test_an_engine_that_can_be_imported_is_used(fake):
    fake(lambda: "engine")
    assert load_engines([], pytest.fail) == load_engines(["fake"], pytest.fail) == {"fake": "engine"}
