"""Recipes: all settings that decide a result's pixels, as one immutable value.

A recipe is an ordered list of steps and the few settings of how the picture is read. It is read from TOML and JSON
and from results that carry it, written as JSON, and identified by a hash of these settings.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field, fields, replace
from typing import Any

from poolcli.display import quoted, shortened
from poolcli.errors import ImageError, OptionError, alternatives, suggestion
from poolcli.ops.kernels import weights_of
from poolcli.ops.settings import whole
from poolcli.pipeline.parsing import size_pair
from poolcli.pipeline.steps import Conv2D, Pool, Pool2D, Step, check_keys, step_from

SHIPPED = os.path.join(os.path.dirname(__file__), "recipes")
"""The recipes that come with poolcli, one file each."""

CHOICES = {
    "channels": ("gray", "each"),
    "layout": ("hwc", "planes"),
    "range": ("unit", "byte", "raw"),
    "resize_filter": ("bilinear", "bicubic", "lanczos", "box", "nearest", "tf-bilinear"),
    "nan": ("error", "zero", "ignore"),
}
"""Settings that are one of a few words."""

NEW = ("layout", "page", "nodata")
"""Settings added later: left out where they have the default, so that the hash of older recipes does not change."""

MAX_RECIPE_BYTES = 1 << 28
"""Largest file that is read for a recipe, in bytes: results are pictures, and a device may never end."""

MOST_STEPS = 1000
"""More is a mistake: ten poolings by 2 reduce 1000x1000 pixels to one."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a run.

    Attributes
    ----------
    stages : tuple of Step
        In order; the whole list `blocks` times.
    channels, layout, range, resize, resize_filter, background, nan, nodata, page
        How the picture is read, as with the options of the same names.
    name, summary : str
        Empty if the recipe has none; they do not change pixels or the hash.
    """

    stages: tuple[Step, ...] = (Pool2D(),)
    blocks: int = 1
    channels: str = "gray"
    layout: str = "hwc"
    range: str = "unit"
    resize: tuple[int, int] | None = None
    resize_filter: str = "bilinear"
    background: str = "white"
    nan: str = "error"
    nodata: float | None = None
    page: int = 1
    name: str = field(default="", compare=False)
    summary: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", whole("blocks", self.blocks))
        object.__setattr__(self, "page", whole("page", self.page))
        if self.nodata is not None:
            from poolcli.images.nodata import nodata_value

            object.__setattr__(self, "nodata", nodata_value(self.nodata))
        steps = self.blocks * sum(getattr(step, "repeat", 1) for step in self.stages)
        if steps > MOST_STEPS:
            msg = f"{steps} steps, blocks and repeats counted: more than {MOST_STEPS}; repeat fewer times"
            raise OptionError(msg)
        if self.resize is not None:
            object.__setattr__(self, "resize", size_pair("resize", self.resize))
        for key, words in CHOICES.items():
            value = getattr(self, key)
            if not isinstance(value, str) or value not in words:
                msg = f"{key.replace('_', ' ')} {shortened(value)}: write {alternatives(words)}"
                raise OptionError(msg)
        if not isinstance(self.background, str):
            msg = f"background {shortened(self.background)}: write the name of a colour or #rrggbb"
            raise OptionError(msg)
        if self.background != "white":
            from poolcli.images.modes import parse_color

            parse_color(self.background)

    @property
    def leaves_out(self) -> bool:
        """Whether NaN marks missing cells, which pooling leaves out of its windows."""
        return self.nan == "ignore" or self.nodata is not None

    def to_dict(self) -> dict[str, Any]:
        """The recipe as values that JSON can hold; `recipe_from` reads it back."""
        plain: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "stages":
                plain["stages"] = [{"op": step.op, **step.settings()} for step in value]
            elif value not in (None, "") and not (item.name in NEW and value == item.default):
                plain[item.name] = list(value) if isinstance(value, tuple) else value
        return plain

    def to_json(self) -> str:
        """The recipe as the text of a JSON file."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @property
    def hash(self) -> str:
        """16 hexadecimal digits, the same for the same settings.

        A kernel counts by its weights, not its name; a setting that was not given counts as its default. Different
        settings with the same effect, such as padding 0 and valid, may have different hashes.
        """
        plain = self.to_dict()
        plain.pop("name", None)
        plain.pop("summary", None)
        for step, settings in zip(self.stages, plain["stages"], strict=True):
            if isinstance(step, Conv2D):
                settings["kernel"] = weights_of(step.kernel).tolist()
            if isinstance(step, Pool):
                # Kinds without parameters count as 0.0, so that hashes of older recipes do not change.
                values = [repr(value) for value in step.checked().parameters.values()]
                settings["parameter"] = ",".join(values) or "0.0"
                for name, _ in step.parameters:
                    del settings[name]
            if isinstance(step, Pool2D):
                settings["stride"] = list(step.stride or step.size)
        import hashlib

        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def recipe_from(mapping: Any) -> Recipe:
    """Make a recipe from what a TOML or JSON file holds.

    Raises
    ------
    OptionError
        An unknown key, a missing list of stages, or a setting that is wrong; the stage is named.
    """
    if isinstance(mapping, dict) and "recipe" in mapping and "stages" not in mapping:
        mapping = mapping["recipe"]  # the text inside a result: recipe, version and source
    if not isinstance(mapping, dict):
        msg = f"recipe of type {type(mapping).__name__}: give a table with a list of stages"
        raise OptionError(msg)
    settings = dict(mapping)
    check_keys(settings, [item.name for item in fields(Recipe)])
    entries = settings.pop("stages", None)
    if not isinstance(entries, list) or not entries:
        msg = "recipe without stages: give a list of at least one stage"
        raise OptionError(msg)
    stages = []
    for number, entry in enumerate(entries, 1):
        try:
            stages.append(step_from(entry))
        except OptionError as error:
            msg = f"stage {number}: {error}"
            raise OptionError(msg) from None
    if isinstance(settings.get("resize"), list):
        settings["resize"] = tuple(settings["resize"])
    return Recipe(stages=tuple(stages), **settings)


def recipe_names() -> list[str]:
    """Names of the recipes that come with poolcli."""
    return sorted(name.removesuffix(".toml") for name in os.listdir(SHIPPED) if name.endswith(".toml"))


def load(source: Any) -> Recipe:
    """Read a recipe: by name, from a TOML or JSON file, or from a result that carries one.

    Raises
    ------
    OptionError
        No such name or file, no recipe in it, or a recipe that is wrong; the message begins with the source.
    """
    if isinstance(source, Recipe):
        return source
    if isinstance(source, dict):
        return recipe_from(source)
    names = recipe_names()
    if not isinstance(source, str | os.PathLike):
        msg = f"recipe of type {type(source).__name__}: give a name, a file, a table or a Recipe"
        raise OptionError(msg)
    path = os.fspath(source)
    shipped = path in names
    try:
        made = recipe_from(_parsed(os.path.join(SHIPPED, f"{path}.toml") if shipped else path))
    except FileNotFoundError:
        name = not os.path.dirname(path) and not os.path.splitext(path)[1]
        hint = suggestion(path, names) if name else f"; names: {', '.join(names)}"
        msg = f"recipe {quoted(path)}: no such recipe or file{hint}"
        raise OptionError(msg) from None
    except OSError as error:
        msg = f"recipe {quoted(path)}: {error.strerror}"
        raise OptionError(msg) from None
    except OptionError as error:
        msg = f"recipe {quoted(path)}: {error}"
        raise OptionError(msg) from None
    return replace(made, name=path) if shipped else made


def _parsed(path: str) -> Any:
    with open(path, "rb") as file:
        data = file.read(MAX_RECIPE_BYTES + 1)  # once: it may be a pipe
    if len(data) > MAX_RECIPE_BYTES:
        msg = f"more than {MAX_RECIPE_BYTES} bytes; give a TOML or JSON file, or a result of poolcli"
        raise OptionError(msg)
    # TOML and JSON are UTF-8 without NUL; anything else is taken for a picture.
    try:
        text = None if b"\0" in data else data.decode("utf-8-sig")
    except UnicodeError:
        text = None
    if text is None:
        return _carried(data)
    return _json(text) if text.lstrip().startswith("{") else _toml(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"no JSON: {str(error).splitlines()[0]}"
        raise OptionError(msg) from None


def _toml(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"neither TOML nor JSON: {str(error).splitlines()[0]}"
        raise OptionError(msg) from None


def _carried(data: bytes) -> Any:
    from poolcli.images.embedded import embedded_recipe

    try:
        text = embedded_recipe(io.BytesIO(data))
    except ImageError:
        msg = "neither TOML nor JSON, nor a picture; give a TOML or JSON file, or a picture that poolcli wrote"
        raise OptionError(msg) from None
    if text is None:
        msg = "this picture carries no recipe; give a TOML or JSON file, or a result of poolcli"
        raise OptionError(msg)
    return _json(text)
