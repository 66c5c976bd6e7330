"""Recipes: everything that decides a result's pixels, as one frozen value.

A recipe is an ordered list of steps and the few settings of how the picture is read. It is read from TOML and JSON
and from results that carry it, written as JSON, and named by a hash that is the same wherever the pixels are.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field, fields, replace
from typing import Any

from poolcli.errors import ImageError, OptionError, suggestion
from poolcli.ops.kernels import weights_of
from poolcli.pipeline.forms import size_pair
from poolcli.pipeline.steps import Conv2D, Pool, Pool2D, Step, check_keys, step_from, whole

SHIPPED = os.path.join(os.path.dirname(__file__), "recipes")
"""The recipes that come with poolcli, one file each."""

CHOICES = {
    "channels": ("gray", "each"),
    "range": ("unit", "byte"),
    "resize_filter": ("bilinear", "bicubic", "lanczos", "box", "nearest"),
    "nan": ("error", "zero"),
}
"""Settings that are one of a few words."""

LONGEST = 1 << 28
"""Bytes of a file that may hold a recipe; results are pictures, devices have no end."""

MOST_STEPS = 1000
"""More is a slip of the hand: ten poolings by 2 leave one pixel of a thousand by a thousand."""


@dataclass(frozen=True)
class Recipe:
    """What is done to a picture.

    Attributes
    ----------
    stages : tuple of Step
        In order; the whole list `blocks` times.
    channels, range, resize, resize_filter, background, nan
        How the picture is read, as the options of the same names say.
    name, summary : str
        Of a recipe that has them; they change no pixel and no hash.
    """

    stages: tuple[Step, ...] = (Pool2D(),)
    blocks: int = 1
    channels: str = "gray"
    range: str = "unit"
    resize: tuple[int, int] | None = None
    resize_filter: str = "bilinear"
    background: str = "white"
    nan: str = "error"
    name: str = field(default="", compare=False)
    summary: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", whole("blocks", self.blocks))
        steps = self.blocks * sum(getattr(step, "repeat", 1) for step in self.stages)
        if steps > MOST_STEPS:
            msg = f"{steps} steps, blocks and repeats counted: at most {MOST_STEPS} expected"
            raise OptionError(msg)
        if self.resize is not None:
            object.__setattr__(self, "resize", size_pair("resize", self.resize))
        for key, words in CHOICES.items():
            value = getattr(self, key)
            if value not in words:
                msg = f"{key.replace('_', ' ')} {value!r}: {' or '.join(words)} expected"
                raise OptionError(msg)
        if not isinstance(self.background, str):
            msg = f"background {self.background!r}: the name of a colour or #rrggbb expected"
            raise OptionError(msg)
        if self.background != "white":
            from poolcli.images.modes import parse_color

            parse_color(self.background)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON can hold it; `recipe_from` reads it back."""
        plain: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "stages":
                plain["stages"] = [{"op": step.op, **step.settings()} for step in value]
            elif value not in (None, ""):
                plain[item.name] = list(value) if isinstance(value, tuple) else value
        return plain

    def to_json(self) -> str:
        """The recipe as the text of a JSON file."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @property
    def hash(self) -> str:
        """16 hexadecimal digits, the same for the same settings.

        A kernel counts by its weights, however it was named; what was not given counts as its default. Different
        settings that happen to do the same, padding 0 and valid, may differ.
        """
        plain = self.to_dict()
        plain.pop("name", None)
        plain.pop("summary", None)
        for step, settings in zip(self.stages, plain["stages"], strict=True):
            if isinstance(step, Conv2D):
                settings["kernel"] = weights_of(step.kernel).tolist()
            if isinstance(step, Pool):
                settings["parameter"] = repr(step.checked().parameter)
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
        mapping = mapping["recipe"]  # a result's own text: the recipe beside the version and the source
    if not isinstance(mapping, dict):
        msg = f"recipe of type {type(mapping).__name__}: a table with a list of stages expected"
        raise OptionError(msg)
    settings = dict(mapping)
    check_keys(settings, [item.name for item in fields(Recipe)])
    entries = settings.pop("stages", None)
    if not isinstance(entries, list) or not entries:
        msg = "recipe without stages: a list of at least one stage expected"
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
        No such name or file, no recipe in it, or a recipe that is wrong; the source stands first.
    """
    if isinstance(source, Recipe):
        return source
    if isinstance(source, dict):
        return recipe_from(source)
    names = recipe_names()
    if not isinstance(source, str | os.PathLike):
        msg = f"recipe of type {type(source).__name__}: a name, a file, a table or a Recipe expected"
        raise OptionError(msg)
    path = os.fspath(source)
    shipped = path in names
    try:
        made = recipe_from(_parsed(os.path.join(SHIPPED, f"{path}.toml") if shipped else path))
    except FileNotFoundError:
        name = not os.path.dirname(path) and not os.path.splitext(path)[1]
        hint = suggestion(path, names) if name else f"; names: {', '.join(names)}"
        msg = f"recipe {path!r}: no such recipe or file{hint}"
        raise OptionError(msg) from None
    except OSError as error:
        msg = f"recipe {path!r}: {error.strerror}"
        raise OptionError(msg) from None
    except OptionError as error:
        msg = f"recipe {path!r}: {error}"
        raise OptionError(msg) from None
    return replace(made, name=path) if shipped else made


def _parsed(path: str) -> Any:
    with open(path, "rb") as file:
        data = file.read(LONGEST + 1)  # once: it may be a pipe
    if len(data) > LONGEST:
        msg = f"more than {LONGEST} bytes; a TOML or JSON file, or a result of poolcli, expected"
        raise OptionError(msg)
    # A picture holds bytes that are no text; TOML and JSON have no NUL and are UTF-8.
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
        msg = "neither TOML nor JSON, nor a picture; one that poolcli wrote may carry a recipe"
        raise OptionError(msg) from None
    if text is None:
        msg = "this picture carries no recipe; a TOML or JSON file, or a result of poolcli, expected"
        raise OptionError(msg)
    return _json(text)
