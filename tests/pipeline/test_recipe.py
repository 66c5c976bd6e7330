"""Recipes: written forms, files read and written, hashes, options that override a recipe."""

import hashlib
import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolcli
from poolcli.errors import OptionError
from poolcli.ops.kernels import KERNELS
from poolcli.ops.pools import PARAMETERS, POOLS
from poolcli.pipeline.options import KEYWORDS as SETTINGS_OF_RECIPES
from poolcli.pipeline.plan import plan
from poolcli.pipeline.recipe import CHOICES, Recipe, load, recipe_from, recipe_names
from poolcli.pipeline.steps import STEPS, AdaptivePool2D, Conv2D, GlobalPool2D, Pool2D, ReLU

EDGE = [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def toml(plain):
    """The dict of a recipe as TOML; the standard library only reads it."""
    lines = [f"{key} = {toml_value(value)}" for key, value in plain.items() if key != "stages"]
    for stage in plain["stages"]:
        lines += ["[[stages]]", *(f"{key} = {toml_value(value)}" for key, value in stage.items())]
    return "\n".join(lines) + "\n"


# -- hypothesis makes recipes --------------------------------------------------------------------------------

whole = st.integers(1, 9)
pairs = st.tuples(whole, whole)
real = st.floats(-1e6, 1e6)
rows = st.integers(1, 4).flatmap(lambda w: st.lists(st.tuples(*[real] * w), min_size=1, max_size=4)).map(tuple)
conv_padding = st.one_of(
    st.sampled_from(["valid", "same", "same-lower"]),
    st.tuples(st.tuples(*[st.integers(0, 5)] * 2), st.tuples(*[st.integers(0, 5)] * 2)),
)
conv = st.builds(
    Conv2D, kernel=st.one_of(st.sampled_from(list(KERNELS)), rows), stride=pairs, padding=conv_padding, dilation=pairs
)


def parameter(kind):
    whole, fractions = st.integers(0, 2**64 - 1), st.one_of(st.floats(0, 1), st.floats(0, 100), st.just(math.inf))
    values = {one.name: (whole if one.whole else fractions).filter(one.valid) for one in POOLS[kind].parameters}
    return st.fixed_dictionaries({}, optional=values)


def with_parameter(build, names):
    return st.sampled_from(names).flatmap(lambda kind: parameter(kind).flatmap(lambda given: build(kind, given)))


pool = with_parameter(
    lambda kind, given: st.builds(
        Pool2D, kind=st.just(kind), size=pairs, stride=st.one_of(st.none(), pairs),
        padding=st.sampled_from(["valid", "same", "same-lower", "0"]), dilation=pairs, ceil=st.booleans(), repeat=whole,
        count_include_pad=st.booleans() if kind == "average" else st.just(False), parameters=st.just(tuple(given.items())),
    ),
    [name for name in POOLS if name != "blur"],
)  # fmt: skip
maybe = st.one_of(st.none(), whole)
adaptive = with_parameter(
    lambda kind, given: st.builds(
        AdaptivePool2D,
        kind=st.just(kind),
        output_size=st.tuples(maybe, maybe),
        parameters=st.just(tuple(given.items())),
    ),
    [name for name in POOLS if name != "blur"],
)
overall = with_parameter(
    lambda kind, given: st.builds(GlobalPool2D, kind=st.just(kind), parameters=st.just(tuple(given.items()))),
    [name for name in POOLS if name != "blur"],
)
recipes = st.builds(
    Recipe,
    stages=st.lists(st.one_of(conv, st.builds(ReLU), pool, adaptive, overall), min_size=1, max_size=5).map(tuple),
    blocks=whole,
    resize=st.one_of(st.none(), pairs),
    background=st.sampled_from(["white", "black", "#123456", "rgb(1, 2, 3)"]),
    **{name: st.sampled_from(words) for name, words in CHOICES.items()},
)


@settings(max_examples=150, deadline=None)
@given(recipes)
def test_every_recipe_comes_back_from_json_and_toml(tmp_path_factory, made):
    folder = tmp_path_factory.getbasetemp()
    strict = json.loads(made.to_json(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    (folder / "r.json").write_text(made.to_json(), "utf-8")
    (folder / "r.toml").write_text(toml(strict), "utf-8")

    for again in (load(folder / "r.json"), load(str(folder / "r.toml")), recipe_from(made.to_dict()), load(made)):
        assert again == made
        assert again.hash == made.hash
        assert again.to_json() == made.to_json()


@pytest.mark.parametrize("op", STEPS)
def test_every_step_comes_back_with_its_defaults(op):
    entry = {"op": op, "kernel": "edge"} if op == "conv2d" else {"op": op}
    made = recipe_from({"stages": [entry]})

    assert made == recipe_from(json.loads(made.to_json()))
    assert type(made.stages[0]) is STEPS[op]


def test_a_result_text_is_a_recipe_too():
    made = poolcli.recipe(kernel="edge", size=3)

    assert recipe_from({"poolcli": "0.1.0", "source": "a.png", "recipe": made.to_dict()}) == made


@pytest.mark.parametrize("key", CHOICES)
@pytest.mark.parametrize("value", [np.array(["gray", "each"]), np.array("gray"), ["gray"], {"gray": 1}, 3, b"gray"])
def test_what_is_no_word_is_refused_with_the_words(key, value):
    with pytest.raises(OptionError, match=f"{key.replace('_', ' ')} .*: write {CHOICES[key][0]}"):
        poolcli.recipe(**{"resize": (4, 4), key: value})


class Unwritable:
    """What Python cannot write."""

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value", [np.zeros((20, 30)), [1] * 5000, 10**5000, 10**400, Unwritable(), {"a\n\x1b[31m": 1}], ids=range(6)
)
@pytest.mark.parametrize("key", sorted({*SETTINGS_OF_RECIPES} - {"recipe", "kernel"}))
def test_any_value_is_refused_in_a_message_of_one_short_line(key, value):
    kind = {"p": "lp", "q": "percentile", "alpha": "mixed", "r": "lse", "seed": "stochastic"}.get(key, "max")
    with pytest.raises(OptionError) as caught:
        poolcli.recipe(**{"pool": kind, key: value})

    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_recipes_are_frozen_and_compare_by_value():
    one, other = poolcli.recipe(size=3), poolcli.recipe(size="3x3")

    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(AttributeError):
        one.blocks = 2


# -- the hash ------------------------------------------------------------------------------------------------

DEFAULT = (
    '{"background":"white","blocks":1,"channels":"gray","nan":"error","range":"unit","resize_filter":"bilinear",'
    '"stages":[{"ceil":false,"count_include_pad":false,"dilation":[1,1],"kind":"max","op":"pool2d","padding":"valid",'
    '"parameter":"0.0","repeat":1,"size":[2,2],"stride":[2,2]}]}'
)
EDGES = (
    '{"background":"white","blocks":1,"channels":"gray","nan":"error","range":"unit","resize_filter":"bilinear",'
    '"stages":[{"dilation":[1,1],"kernel":[[-1.0,-1.0,-1.0],[-1.0,8.0,-1.0],[-1.0,-1.0,-1.0]],"op":"conv2d","padding":"same","stride":[1,1]},'
    '{"op":"relu"},{"ceil":false,"count_include_pad":false,"dilation":[1,1],"kind":"lp","op":"pool2d","padding":"same",'
    '"parameter":"3.0","repeat":2,"size":[3,2],"stride":[2,2]}]}'
)


@pytest.mark.parametrize(
    ("canonical", "expected", "options"),
    [
        (DEFAULT, "ac83f4530fc4c0e0", {}),
        (
            EDGES,
            "7ef42eba1c45f176",
            {"kernel": "edge", "pool": "lp", "p": 3, "size": "3x2", "stride": 2, "padding": "same", "repeat": 2},
        ),
    ],
)
def test_the_hash_is_that_of_the_canonical_json(canonical, expected, options):
    """Sorted keys, no spaces, everything spelled out; a change of these digits makes every batch journal stale."""
    assert hashlib.sha256(canonical.encode()).hexdigest()[:16] == expected
    assert poolcli.recipe(**options).hash == expected


SAME = [
    ({"kernel": "edge"}, {"kernel": EDGE}),
    ({"kernel": "edge"}, {"kernel": "-1 -1 -1; -1 8 -1; -1 -1 -1"}),
    ({"kernel": "edge"}, {"kernel": np.array(EDGE, np.int8)}),
    ({"kernel": [[0, 1]]}, {"kernel": [[-0.0, 1]]}),
    ({"kernel": "edge"}, {"kernel": "edge", "relu": True}),
    ({}, {"stride": 2}),
    ({}, {"size": (2, 2), "stride": "2x2", "repeat": 1, "blocks": 1, "ceil": False, "padding": "valid"}),
    ({"pool": "avg"}, {"pool": "average"}),
    ({"pool": "mean"}, {"pool": "average"}),
    ({"pool": "lp"}, {"pool": "lp", "p": 2}),
    ({"pool": "lp", "p": 3}, {"pool": "lp", "p": 3.0}),
    ({"pool": "percentile"}, {"pool": "percentile", "q": 50.0}),
    ({"padding": 1}, {"padding": "1,1,1,1"}),
    ({"resize": 5}, {"resize": "5x5"}),
    ({"output_size": 7}, {"output_size": "7x7"}),
    ({"output_size": "-x7"}, {"output_size": (None, 7)}),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=str)
def test_recipes_that_do_the_same_have_one_hash(one, other):
    assert poolcli.recipe(**one).hash == poolcli.recipe(**other).hash


def test_name_and_summary_do_not_change_the_hash():
    named = poolcli.recipe(recipe="kaggle-tutorial")

    assert named.name == "kaggle-tutorial"
    assert named.summary
    assert replace(named, name="", summary="").hash == named.hash


DIFFERENT = [
    {}, {"pool": "min"}, {"pool": "lp"}, {"pool": "lp", "p": 3}, {"pool": "lp", "p": math.inf}, {"pool": "percentile", "q": 25}, {"size": 3},
    {"size": "2x3"}, {"size": "3x2"}, {"stride": 1}, {"stride": "1x2"}, {"padding": "same"}, {"padding": "same-lower"}, {"padding": 1}, {"padding": "1,0,0,0"},
    {"padding": "0,1,0,0"}, {"padding": "0,0,1,0"}, {"dilation": 2}, {"dilation": "1x2"}, {"ceil": True}, {"pool": "average"}, {"pool": "average", "count_include_pad": True},
    {"repeat": 2}, {"blocks": 2}, {"kernel": "edge"}, {"kernel": "edge", "relu": False}, {"kernel": "emboss"}, {"relu": True}, {"kernel": [[1]]}, {"kernel": [[1, 0]]}, {"kernel": [[1], [0]]},
    {"kernel": "edge", "conv_stride": 2}, {"kernel": "edge", "conv_padding": "valid"}, {"kernel": "edge", "conv_dilation": 2}, {"kernel": "edge", "blocks": 2}, {"kernel": "edge", "repeat": 2},
    {"global_pool": True}, {"output_size": 1}, {"output_size": "-x1"}, {"output_size": "1x-"}, {"channels": "each"}, {"range": "byte"}, {"resize": 5}, {"resize": "5x6"}, {"resize": "6x5"},
    {"resize": 9, "resize_filter": "box"}, {"background": "black"}, {"nan": "zero"},
]  # fmt: skip


def test_every_setting_that_changes_pixels_changes_the_hash():
    hashes = {}
    for options in DIFFERENT:
        hashes.setdefault(poolcli.recipe(**options).hash, []).append(options)

    assert [same for same in hashes.values() if len(same) > 1] == []
    assert all(len(digits) == 16 and int(digits, 16) >= 0 for digits in hashes)


# -- the named recipes ---------------------------------------------------------------------------------------


def shapes(made, shape):
    return [placed.shape for placed in plan(made, shape)]


def test_the_exercise_has_the_courses_shapes():
    """400 x 400, then VALID 398, then SAME 2 x 2: 199, whatever the picture's own size."""
    made = load("kaggle-exercise")

    assert made.resize == (400, 400)
    assert made.range == "byte"
    for size in ((300, 451), (1, 1), (5000, 3)):
        assert shapes(made, size) == [(398, 398), (398, 398), (199, 199)]


@pytest.mark.parametrize("size", [(300, 451), (301, 450), (1, 1), (2, 2), (3, 7)])
def test_the_tutorial_has_tensorflows_same_shapes(size):
    half = tuple(-(-n // 2) for n in size)

    assert shapes(load("kaggle-tutorial"), size) == [size, size, half]


def test_lenet_is_two_blocks():
    made = load("lenet")

    assert [step.op for step in made.stages] == ["conv2d", "relu", "pool2d"] * 2
    assert shapes(made, (32, 32)) == [(32, 32), (32, 32), (16, 16), (14, 14), (14, 14), (7, 7)]


@pytest.mark.parametrize("name", recipe_names())
def test_every_named_recipe_has_a_summary_and_is_its_own_name(name):
    made = load(name)

    assert made.name == name
    assert made.summary
    assert "\n" not in made.summary
    assert recipe_from(made.to_dict()) == made


# -- what is refused -----------------------------------------------------------------------------------------

WRONG = [
    ({"stages": [{"op": "pool2d", "sise": 3}]}, "stage 1: unknown key 'sise', did you mean 'size'"),
    ({"stages": [{"op": "relu"}, {"op": "relu", "size": 3}]}, "stage 2: unknown key 'size'"),
    ({"stages": [{"op": "global_pool2d", "size": 3}]}, "unknown key 'size'"),
    ({"stages": [{"op": "pool"}]}, "unknown op 'pool', did you mean 'pool2d'"),
    ({"stages": [{"op": 3}]}, "stage 1"),
    ({"stages": [{"kind": "max"}]}, "write a table with an op"),
    ({"stages": ["relu"]}, "write a table with an op"),
    ({"stages": [{"op": "relu"}], "chanels": "each"}, "unknown key 'chanels', did you mean 'channels'"),
    ({"stages": []}, "at least one stage"),
    ({"stages": {"op": "relu"}}, "list of at least one stage"),
    ({}, "at least one stage"),
    ({"recipe": 3}, "type int"),
    ({"stages": [{"op": "conv2d"}]}, "without a kernel"),
    ({"stages": [{"op": "conv2d", "kernel": "edgy"}]}, "did you mean 'edge'"),
    ({"stages": [{"op": "conv2d", "kernel": "k.txt"}]}, "stage 1"),
    ({"stages": [{"op": "conv2d", "kernel": [[1, 2], [3]]}]}, "one length"),
    ({"stages": [{"op": "conv2d", "kernel": []}]}, "rows of numbers"),
    ({"stages": [{"op": "conv2d", "kernel": {}}]}, "rows of numbers"),
    ({"stages": [{"op": "conv2d", "kernel": [["a"]]}]}, "rows of numbers"),
    ({"stages": [{"op": "conv2d", "kernel": [[math.nan]]}]}, "finite"),
    ({"stages": [{"op": "pool2d", "kind": "maxx"}]}, "did you mean 'max'"),
    ({"stages": [{"op": "pool2d", "kind": ["max"]}]}, "kind"),
    ({"stages": [{"op": "pool2d", "p": 2}]}, "p belongs to lp"),
    ({"stages": [{"op": "pool2d", "kind": "lp", "p": "3"}]}, "above 0"),
    ({"stages": [{"op": "pool2d", "kind": "lp", "p": True}]}, "above 0"),
    ({"stages": [{"op": "pool2d", "size": 2.5}]}, "size 2.5"),
    ({"stages": [{"op": "pool2d", "size": 0}]}, "size 0"),
    ({"stages": [{"op": "pool2d", "size": [2, 2, 2]}]}, "size"),
    ({"stages": [{"op": "pool2d", "repeat": True}]}, "repeat True"),
    ({"stages": [{"op": "pool2d", "repeat": 0}]}, "repeat 0"),
    ({"stages": [{"op": "pool2d", "ceil": 1}]}, "true or false"),
    ({"stages": [{"op": "pool2d", "padding": [1, 2, 3, 4]}]}, "padding"),
    ({"stages": [{"op": "pool2d", "padding": 2}]}, "a window of 2 allows 1"),
    ({"stages": [{"op": "adaptive_pool2d", "output_size": 0}]}, "output size"),
    ({"stages": [{"op": "relu"}], "blocks": 0}, "blocks 0"),
    ({"stages": [{"op": "relu"}], "blocks": 1.0}, "blocks 1.0"),
    ({"stages": [{"op": "relu"}], "resize": [3]}, "resize"),
    ({"stages": [{"op": "relu"}], "resize": 5.5}, "resize 5.5"),
    ({"stages": [{"op": "relu"}], "channels": ["gray"]}, "gray or each"),
    ({"stages": [{"op": "relu"}], "background": 0}, "background 0"),
    ({"stages": [{"op": "relu"}], "background": "nocolor"}, "nocolor"),
]


@pytest.mark.parametrize(("mapping", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_recipe_is_refused_when_it_is_made(mapping, message):
    with pytest.raises(OptionError) as caught:
        recipe_from(mapping)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [3, 2.5, b"x", ["edge"], object(), "no-such-recipe", "no/such/file.toml", "."])
def test_what_is_no_recipe_is_refused(source):
    with pytest.raises(OptionError):
        load(source)


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    for name, text in (("a.json", '{"stages": [{"op": "relu"}]}'), ("b.toml", '[[stages]]\nop = "relu"\n')):
        (tmp_path / name).write_text(text, "utf-8-sig")
        assert load(tmp_path / name).stages == (ReLU(),)


# -- poolcli.recipe: options --------------------------------------------------------------------------------


def ops(made):
    return [step.op for step in made.stages]


def test_the_default_is_one_max_pooling_of_2_by_2():
    assert poolcli.recipe() == Recipe() == poolcli.recipe(recipe=None)
    assert poolcli.recipe().stages == (Pool2D("max", size=(2, 2)),)


def test_relu_is_on_with_a_kernel_and_off_without():
    assert ops(poolcli.recipe(kernel="edge")) == ["conv2d", "relu", "pool2d"]
    assert ops(poolcli.recipe(kernel="edge", relu=False)) == ["conv2d", "pool2d"]
    assert ops(poolcli.recipe()) == ["pool2d"]
    assert ops(poolcli.recipe(relu=True)) == ["relu", "pool2d"]


def test_options_win_over_the_recipe_and_leave_the_rest():
    base = load("kaggle-exercise")
    made = poolcli.recipe(recipe="kaggle-exercise", size=3, range="unit")

    assert made.stages[2] == replace(base.stages[2], size=(3, 3))
    assert made.stages[:2] == base.stages[:2]
    assert (made.range, made.resize) == ("unit", base.resize)


def test_an_option_holds_for_every_step_of_its_kind():
    made = poolcli.recipe(recipe="lenet", pool="avg", kernel="blur", conv_dilation=2)

    assert [step.kind for step in made.stages if isinstance(step, Pool2D)] == ["average", "average"]
    assert [(step.kernel, step.dilation) for step in made.stages if isinstance(step, Conv2D)] == [("blur", (2, 2))] * 2
    assert [step.padding for step in made.stages if isinstance(step, Conv2D)] == ["same", "valid"], "each keeps its own"


def test_another_kind_starts_with_its_own_parameter():
    base = poolcli.recipe(pool="lp", p=3, size=3)

    assert poolcli.recipe(recipe=base, pool="max") == poolcli.recipe(size=3)
    assert poolcli.recipe(recipe=base, pool="lp").stages[0].named == {"p": 3}
    assert poolcli.recipe(recipe=poolcli.recipe(pool="avg", count_include_pad=True), pool="max") == poolcli.recipe()


def test_global_pool_and_output_size_replace_the_last_pooling():
    assert ops(poolcli.recipe(recipe="lenet", global_pool=True))[-4:] == ["pool2d", "conv2d", "relu", "global_pool2d"]
    made = poolcli.recipe(recipe="lenet", output_size="-x7", pool="average")
    assert made.stages[-1] == AdaptivePool2D("average", output_size=(None, 7))
    assert made.stages[2].kind == "average"


def test_windows_take_the_place_of_a_global_pool_when_they_are_asked_for():
    base = poolcli.recipe(global_pool=True, pool="min")

    assert poolcli.recipe(recipe=base, size=3).stages == (Pool2D("min", size=3),)


@pytest.mark.parametrize("instead", [{"global_pool": True}, {"output_size": 3}])
@pytest.mark.parametrize(
    "window", [{"size": 2}, {"stride": 2}, {"padding": "same"}, {"dilation": 1}, {"ceil": True}, {"repeat": 2}]
)
def test_windows_and_what_replaces_them_exclude_each_other(instead, window):
    with pytest.raises(OptionError, match="excludes"):
        poolcli.recipe(**instead, **window)


def test_what_changes_nothing_is_no_contradiction():
    assert ops(poolcli.recipe(global_pool=True, repeat=1, ceil=False)) == ["global_pool2d"]
    assert poolcli.recipe(global_pool=False, size=3) == poolcli.recipe(size=3)
    with pytest.raises(OptionError, match="exclude each other"):
        poolcli.recipe(global_pool=True, output_size=3)


def test_repeat_repeats_the_pooling_and_blocks_the_whole():
    assert shapes(poolcli.recipe(kernel="edge", conv_padding="valid", repeat=2), (40, 40)) == [
        (38, 38),
        (38, 38),
        (19, 19),
        (9, 9),
    ]
    assert shapes(poolcli.recipe(kernel="edge", conv_padding="valid", blocks=2), (40, 40)) == [
        (38, 38),
        (38, 38),
        (19, 19),
        (17, 17),
        (17, 17),
        (8, 8),
    ]
    assert len(shapes(poolcli.recipe(kernel="edge", repeat=3, blocks=2), (99, 99))) == 2 * (2 + 3)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_refused_with_the_kinds_that_have_another_or_none(kind, name):
    if name in [one.name for one in POOLS[kind].parameters]:
        assert poolcli.recipe(pool=kind, **{name: 1}).stages[0].named == {name: 1}
    else:
        with pytest.raises(OptionError, match=f"{name} belongs to"):
            poolcli.recipe(pool=kind, **{name: 3})


@pytest.mark.parametrize(
    ("option", "near"),
    [("kernal", "kernel"), ("sise", "size"), ("conv-stride", "conv_stride"), ("outputsize", "output_size")],
)
def test_an_unknown_keyword_is_an_error_with_a_suggestion(option, near):
    with pytest.raises(OptionError, match=f"did you mean '{near}'"):
        poolcli.recipe(**{option: 3})


@pytest.mark.parametrize(
    "options",
    [
        {"relu": 1},
        {"global_pool": 1},
        {"global_pool": "yes"},
        {"ceil": "no"},
        {"repeat": 2.0},
        {"blocks": True},
        {"count_include_pad": True},
        {"conv_stride": 2},
        {"background": "nocolor"},
        {"channels": "EACH"},
        {"recipe": 5},
        {"size": True},
        {"resize": 0},
    ],
)
def test_wrong_values_are_refused_when_the_recipe_is_made(options):
    with pytest.raises(OptionError):
        poolcli.recipe(**options)


def test_numbers_of_numpy_are_numbers():
    made = poolcli.recipe(
        size=np.int64(3), stride=np.array([1, 2]), repeat=np.int64(2), blocks=np.uint8(2), pool="lp", p=np.float32(3)
    )

    assert made == poolcli.recipe(size=3, stride="1x2", repeat=2, blocks=2, pool="lp", p=3)
    assert recipe_from(json.loads(made.to_json())) == made


def test_the_keywords_are_the_long_option_names():
    from poolcli.cli.options import recipe_options
    from poolcli.pipeline.options import KEYWORDS

    assert sorted(option.name for option in recipe_options(lambda: None).__click_params__) == sorted(KEYWORDS)
    assert {item.name for item in fields(Recipe)} - {"stages", "name", "summary"} < set(KEYWORDS)
