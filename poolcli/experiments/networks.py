"""A picture as a vector by a layer of a real network: its feature maps, and global pooling of them."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.display import display_name
from poolcli.errors import ImageError, OptionError
from poolcli.experiments import onnx_model
from poolcli.experiments.onnx_model import MISSING, USUAL_SIZE, ImageInput, Layer
from poolcli.experiments.pyramid import cell_names
from poolcli.ops.pooling import adaptive_pool2d
from poolcli.pipeline.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.figures.feature_sheet import FeatureSheet
    from poolcli.images.read import Picture


class Preset(NamedTuple):
    """How pixels of 0 to 1 become a network's input: times `scale`, less `mean`, divided by `std`, per channel."""

    summary: str
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False


PRESETS: dict[str, Preset] = {
    "unit": Preset("RGB from 0 to 1"),
    "imagenet-torch": Preset(
        "RGB less the mean of ImageNet, divided by its deviation, as torchvision's networks want it",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    "imagenet-keras": Preset(
        "BGR from 0 to 255 less the mean of ImageNet, as Keras's VGG16, VGG19 and ResNet50 want it",
        scale=255.0,
        mean=(103.939, 116.779, 123.68),
        bgr=True,
    ),
}


@dataclass(frozen=True)
class NetworkExtraction:
    """How pictures become vectors by a layer of a network.

    Attributes
    ----------
    path : str
    layer : Layer
    source : ImageInput
    size : (height, width)
        Of the pictures that the network gets.
    preset : Preset
    recipe : Recipe
        How pictures are read; its steps are not done.
    kinds, levels
        As in `features.Extraction`.
    """

    path: str
    layer: Layer
    source: ImageInput
    size: tuple[int, int]
    preset: Preset
    recipe: Recipe
    kinds: tuple[str, ...] = ("average",)
    levels: tuple[int, ...] = ()

    def reading(self, max_pixels: int | None = None) -> dict[str, Any]:
        """The keywords with which `images.read` reads a picture for this."""
        from poolcli.pipeline.engine import reading

        return {**reading(self.recipe, max_pixels), "check": None}

    def columns(self, count: int) -> list[str]:
        """The names of so many features: layer, number of the map, cell of the pyramid, kind."""
        cells = self.cells
        maps = count // (len(cells) * len(self.kinds))
        kinds = [f".{kind}" for kind in self.kinds] if len(self.kinds) > 1 else [""]
        return [f"{self.layer.name}.{n}{cell}{kind}" for n in range(maps) for cell in cells for kind in kinds]

    @property
    def cells(self) -> list[str]:
        """What follows a map's name for each of its cells."""
        return cell_names(self.levels)

    def maps(self, picture: Picture) -> NDArray[np.float32]:
        """The layer's maps, shape (C, h, w).

        Raises
        ------
        PoolcliError
            The network does not run on this picture.
        """
        session = _session(self.path, self.layer.output)
        try:
            (made,) = session.run([self.layer.output], {self.source.name: network_input(picture, self)})
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's own kinds of errors
            size = "x".join(map(str, self.size))
            other = "; choose another size with --resize" if None in self.source.size else ""
            msg = f"the network does not run on {size}: {one_line(error)}{other}"
            raise ImageError(msg) from None
        if made.dtype.kind != "f" or made.ndim not in (2, 4) or made.shape[0] != 1 or 0 in made.shape:
            msg = f"layer {self.layer.name!r} gives {made.dtype} of shape {made.shape}; choose one that gives maps, NxCxHxW"
            raise ImageError(msg)
        values = made[0].astype(np.float32)
        if values.ndim == 1:
            return values[:, None, None]
        return np.ascontiguousarray(np.moveaxis(values, -1, 0)) if self.layer.channels_last else values

    def vector(self, picture: Picture) -> NDArray[np.float32]:
        """The features of a picture."""
        return self.pooled(self.maps(picture))

    def pooled(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Global pooling of maps."""
        wide = maps.astype(np.float64)
        cells = [
            np.stack([adaptive_pool2d(wide, (n, n), kind).reshape(len(maps), -1) for kind in self.kinds], axis=2)
            for n in self.levels or (1,)
        ]
        return np.concatenate(cells, axis=1).reshape(-1).astype(np.float32)

    def sheet(self, picture: Picture) -> FeatureSheet:
        """What the figure of a picture shows."""
        from poolcli.experiments.feature_figure import network_sheet

        return network_sheet(picture, self)


def network_input(picture: Picture, how: NetworkExtraction) -> NDArray[Any]:
    """A picture as the network's input, shape (1, C, H, W) or (1, H, W, C)."""
    values = picture.values
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] not in (1, how.source.channels):
        msg = f"{values.shape[2]} channels, and the network takes {how.source.channels}; give a picture of as many"
        raise ImageError(msg)
    if how.source.dtype == "uint8":
        if values.dtype != np.uint8:
            msg = f"{values.dtype} values, and the network takes 8 bits; give an 8-bit picture"
            raise ImageError(msg)
        cells = values
    else:
        unit = values.astype(np.float64) / (1.0 if picture.depth is None else (1 << picture.depth) - 1)
        if how.preset.bgr:
            unit = unit[..., ::-1]
        cells = (unit * how.preset.scale - np.array(how.preset.mean)) / np.array(how.preset.std)
        cells = cells.astype(how.source.dtype)
    cells = np.broadcast_to(cells, (*cells.shape[:2], how.source.channels))
    return np.ascontiguousarray(cells if how.source.channels_last else np.moveaxis(cells, -1, 0))[None]


@lru_cache(maxsize=2)
def _session(path: str, output: str) -> Any:
    """ONNX Runtime with the network, cut off after the layer; kept for all pictures.

    One thread: workers share the cores, and sums come in one order.

    Raises
    ------
    ImageError
        ONNX Runtime refuses the network.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError:
        raise OptionError(MISSING) from None
    onnx = onnx_model.import_onnx()
    model = onnx_model.load(path)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=output))
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        with redirect_stdout(io.StringIO()):  # where it tells of a first attempt that failed
            return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's own kinds of errors
        msg = f"network {display_name(path)}: ONNX Runtime refuses it: {one_line(error)}"
        raise ImageError(msg) from None


def one_line(error: Exception) -> str:
    """What ONNX Runtime says, without the codes before it."""
    text = " ".join(str(error).split())
    text = text.rsplit(" : ", 1)[-1]
    failed = re.match(
        r"Non-zero status code returned while running (\w+) node\. Name:'(.*?)' Status Message: (.*)", text
    )
    if failed:  # the place in its source says nothing to a user
        reason = re.sub(r"^\S+:[0-9]+ \S+ ", "", failed[3])
        text = f"{failed[1]} {failed[2]}: {reason}"
    return text if len(text) <= 200 else f"{text[:199]}…"


def network(
    path: str,
    layer: str | None = None,
    *,
    preset: str = "unit",
    order: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    recipe: Recipe | None = None,
    kinds: tuple[str, ...] = ("average",),
    levels: tuple[int, ...] = (),
) -> NetworkExtraction:
    """Check a network and the settings, and make an extraction of them.

    Raises
    ------
    PoolcliError
        A network that cannot be used, an unknown layer, settings that do not fit the network.
    """
    found, source, size = listed(path, order=order, resize=recipe.resize if recipe else None)
    one = onnx_model.chosen_layer(found, layer)
    way = PRESETS[preset]
    way = way._replace(mean=way.mean if mean is None else mean, std=way.std if std is None else std)
    if max(len(way.mean), len(way.std)) > source.channels:
        msg = (
            f"preset {preset}, mean or std for 3 channels, and the network takes 1; use --preset unit, one number each"
        )
        raise OptionError(msg)
    if source.dtype == "uint8" and way != PRESETS["unit"]:
        msg = "the network takes whole numbers from 0 to 255; leave --preset, --mean and --std out"
        raise OptionError(msg)
    given = recipe or Recipe(stages=())
    reads = replace(given, stages=(), channels="each" if source.channels == 3 else "gray", resize=size)
    _session(path, one.output)  # so that a network that does not run is reported once
    return NetworkExtraction(path, one, source, size, way, reads, kinds, levels)


def listed(
    path: str, *, order: str | None = None, resize: tuple[int, int] | None = None
) -> tuple[list[Layer], ImageInput, tuple[int, int]]:
    """The layers of a network, its input, and the size of the pictures that it gets.

    Raises
    ------
    PoolcliError
        It cannot be used.
    """
    try:
        model = onnx_model.load(path)
        source = onnx_model.image_input(model, order)
        size = _size(source, resize)
        return onnx_model.layers(model, source, size), source, size
    except ImageError as error:
        msg = f"network {display_name(path)}: {error}"
        raise ImageError(msg) from None


def _size(source: ImageInput, resize: tuple[int, int] | None) -> tuple[int, int]:
    height, width = source.size
    usual = resize or USUAL_SIZE
    size = height or usual[0], width or usual[1]
    if resize is not None and size != resize:
        accepted = "x".join("any" if n is None else str(n) for n in source.size)
        msg = f"it takes pictures of {accepted}, not {resize[0]}x{resize[1]}; leave --resize out"
        raise ImageError(msg)
    return size
