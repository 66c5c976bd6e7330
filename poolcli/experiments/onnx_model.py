"""An ONNX network from an untrusted file: its image input, and its layers with their shapes and parameters."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.display import printable
from poolcli.errors import ImageError, OptionError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

LARGEST = (1 << 31) - 1
"""Bytes of a network at most: protobuf, the form of the file, ends there."""

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.nchwc"}
"""Sets of operators that ONNX Runtime has."""

USUAL_SIZE = (224, 224)
"""Of the picture, for a network that takes any."""

_FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
_INPUTS = {**_FLOATS, 2: np.uint8}
"""ONNX's numbers of types -> numpy's."""
_MOST_LISTED = 5
_HAND_ON = {"Cast", "Identity", "Transpose"}
_FOLDS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand"}
"""Operators whose numbers may stand in another order than those of maps, rows by columns."""
_SETTINGS = {"Resize", "Upsample", "Clip", "Pad", "Slice", "Tile", "Range", "Pow", "Expand", "OneHot", "Reshape"}
_ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Where", "Equal", "Greater", "Less"}


class ImageInput(NamedTuple):
    """The input that takes a picture.

    Attributes
    ----------
    name : str
    channels_last : bool
        Whether it is (N, H, W, C) and not (N, C, H, W).
    channels : int
        1 or 3.
    size : (int or None, int or None)
        Height and width; None where any is taken.
    dtype : str
    """

    name: str
    channels_last: bool
    channels: int
    size: tuple[int | None, int | None]
    dtype: str


class Layer(NamedTuple):
    """One operation of a network.

    Attributes
    ----------
    name : str
        The operation's name, or its output's.
    operator : str
    output : str
        The name of what it gives.
    shape : tuple of (int or None)
        Empty where it is not known.
    parameters : int
        Numbers that were learned; those that two layers share count once.
    channels_last : bool
        Whether its maps are (N, H, W, C).
    computes : bool
        False where it hands the same numbers on, as another type or in another order.
    """

    name: str
    operator: str
    output: str
    shape: tuple[int | None, ...]
    parameters: int
    channels_last: bool
    computes: bool = True


def import_onnx() -> Any:
    """The module.

    Raises
    ------
    OptionError
        It is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise OptionError(MISSING) from None
    return onnx


NO_NETWORK = "no ONNX network; export one, for example with torch.onnx.export"
MISSING = "--model needs onnx and onnxruntime, which are not installed: pip install 'poolcli[onnx]'"


def load(path: str) -> ModelProto:
    """Read a network and refuse what cannot be run here.

    Raises
    ------
    OptionError
        No ONNX network, weights in other files, or operators that ONNX Runtime does not have.
    """
    onnx = import_onnx()
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise ImageError("not a regular file; give an .onnx file")
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from None
    if len(data) > LARGEST:
        raise ImageError("more than 2 GB; give an .onnx file with its weights inside")
    try:
        model: ModelProto = onnx.load_model_from_string(data)
    except Exception:  # noqa: BLE001 - protobuf's own kinds of errors differ by its version
        raise ImageError(NO_NETWORK) from None
    if not model.graph.node or not model.opset_import:
        raise ImageError(NO_NETWORK)
    for graph in _graphs(model.graph):
        _check_names(graph)
        _check_weights(graph)
    own = {(function.domain, function.name) for function in model.functions}
    for graph in _graphs(model.graph):
        for node in graph.node:
            standard = node.domain in ("", "ai.onnx")
            known = onnx.defs.has(node.op_type) if standard else node.domain in DOMAINS
            if not known and (node.domain, node.op_type) not in own:
                name = printable(node.op_type if standard else f"{node.domain}:{node.op_type}")
                raise ImageError(f"operator {name}, which ONNX Runtime does not have; export it with standard ones")
    return model


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and those inside its nodes: branches and bodies of loops."""
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        yield one
        for node in one.node:
            for attribute in node.attribute:
                waiting += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def _check_names(graph: GraphProto) -> None:
    """Refuse names that are no text: protobuf hands them out as bytes."""
    names = [one.name for group in (graph.initializer, graph.input, graph.output, graph.value_info) for one in group]
    for node in graph.node:
        names += [
            node.name,
            node.op_type,
            node.domain,
            *node.input,
            *node.output,
            *(one.name for one in node.attribute),
        ]
    if not all(isinstance(name, str) for name in names):
        raise ImageError(NO_NETWORK)


def _check_weights(graph: GraphProto) -> None:
    """Refuse weights in other files: a path there may lead anywhere."""
    tensors: list[TensorProto] = list(graph.initializer)
    for sparse in graph.sparse_initializer:
        tensors += [sparse.values, sparse.indices]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [*attribute.tensors, *([attribute.t] if attribute.HasField("t") else [])]
    for tensor in tensors:
        if tensor.data_location == 1:
            name = printable(
                next((entry.value for entry in tensor.external_data if entry.key == "location"), "another file")
            )
            raise ImageError(f"weights in {name}; save them inside the network: onnx.save(onnx.load('IN'), 'OUT')")


def image_input(model: ModelProto, order: str | None = None) -> ImageInput:
    """The input that takes a picture.

    Parameters
    ----------
    model : ModelProto
    order : {"nchw", "nhwc"}, optional
        Where the channels are; by default where there are 1 or 3.

    Raises
    ------
    ImageError
        There is none, or there are several inputs.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    described = ", ".join(f"{printable(one.name)} {_dims_text(_dims(one))}" for one in inputs[:_MOST_LISTED]) or "none"
    if len(inputs) != 1:
        raise ImageError(f"{len(inputs)} inputs ({described}): a network with one input, a picture, is needed")
    (one,) = inputs
    dims, kind = _dims(one), one.type.tensor_type.elem_type
    if len(dims) != 4:
        raise ImageError(
            f"input {described}: a network that takes a picture, of shape (N, C, H, W) or (N, H, W, C), is needed"
        )
    if kind not in _INPUTS:
        raise ImageError(f"input {described} is neither float nor uint8: export the network with float input")
    if dims[0] not in (None, 1):
        raise ImageError(
            f"input {described} takes {dims[0]} pictures at once: export the network for one, or for any number"
        )
    last = order == "nhwc" if order else dims[1] not in (1, 3) and dims[3] in (1, 3)
    channels = dims[3] if last else dims[1]
    if channels not in (1, 3, None):
        raise ImageError(f"input {described} has {channels} channels: 1 or 3 are needed; --order says where they are")
    size = (dims[1], dims[2]) if last else (dims[2], dims[3])
    return ImageInput(one.name, last, channels or 3, size, np.dtype(_INPUTS[kind]).name)


def _dims(value: Any) -> tuple[int | None, ...]:
    shape = value.type.tensor_type.shape
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in shape.dim)


def _dims_text(dims: tuple[int | None, ...]) -> str:
    return "x".join("?" if n is None else str(n) for n in dims) or "without shape"


def layers(model: ModelProto, source: ImageInput, size: tuple[int, int]) -> list[Layer]:
    """The layers of a network for pictures of `size`: what gives floats; a bias added afterwards belongs to its layer.

    Raises
    ------
    ImageError
        There are none.
    """
    shapes, kinds = _inferred(model, source, size)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            held = [one.t for one in node.attribute if one.name == "value" and one.HasField("t")]
            weights |= dict.fromkeys(node.output[:1], held[0]) if held else {}
        elif node.op_type in _HAND_ON and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    last = {source.name: source.channels_last}
    counted: set[int] = set()
    found: list[Layer] = []
    makers: dict[str, int] = {}
    newest = -1
    used: set[str] = set()
    for node in model.graph.node:
        if not node.output or node.output[0] in weights or node.op_type == "Constant":
            continue
        output = node.output[0]
        last[output] = _channels_last(node, last)
        kind = kinds.get(output)
        if kind is not None and kind not in _FLOATS:
            continue  # shapes and indices
        own = [weights[name] for name in node.input if name in weights and id(weights[name]) not in counted]
        counted |= set(map(id, own))
        shape = shapes.get(output, ())
        place = next((makers[name] for name in node.input if name in makers), None)
        bias = sum(math.prod(tensor.dims) for tensor in own)
        if node.op_type == "Add" and place is not None and place == newest and _takes_bias(found[place], bias):
            before = found[place]
            found[place] = before._replace(
                output=output, shape=shape, parameters=before.parameters + bias, channels_last=last[output]
            )
            makers[output] = place
            continue
        numbers = sum(_parameters(node, tensor) for tensor in own)
        name = node.name if node.name and node.name not in used else output
        used.add(name)
        computes = node.op_type not in _HAND_ON
        if computes or place is None:
            makers[output] = newest = len(found)
        else:
            makers[output] = place
        found.append(Layer(name, node.op_type, output, shape, numbers, last[output], computes))
    if not found:
        raise ImageError("no layer that gives numbers; export another network")
    return found


def _takes_bias(layer: Layer, count: int) -> bool:
    """Whether `count` numbers, added to a layer's output, are its bias: one for each output."""
    if layer.operator not in ("MatMul", "Conv") or not layer.shape or not count:
        return False
    return count == layer.shape[-1 if layer.operator == "MatMul" or layer.channels_last else 1]


def _parameters(node: NodeProto, weights: TensorProto) -> int:
    """How many numbers of a constant were learned: not whole ones, sizes and limits, and single ones of arithmetic."""
    count = math.prod(weights.dims)
    if weights.data_type in (6, 7, 9) or node.op_type in _SETTINGS or (count == 1 and node.op_type in _ARITHMETIC):
        return 0
    return count


def _channels_last(node: NodeProto, last: dict[str, bool]) -> bool:
    """Whether a node's maps are (N, H, W, C), from those that it reads: only a transposition changes that."""
    before = next((last[name] for name in node.input if name in last), False)
    if node.op_type == "Transpose":
        order = next((list(one.ints) for one in node.attribute if one.name == "perm"), [])
        return order == [0, 2, 3, 1] or (before and order != [0, 3, 1, 2])
    return before and node.op_type not in ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization")


def _inferred(
    model: ModelProto, source: ImageInput, size: tuple[int, int]
) -> tuple[dict[str, tuple[int | None, ...]], dict[str, int]]:
    """Shapes and types by name, for one picture of `size`."""
    onnx = import_onnx()
    known = onnx.ModelProto()
    known.CopyFrom(model)
    del known.graph.value_info[:]
    for output in known.graph.output:
        output.type.tensor_type.ClearField("shape")
    dims = (1, *size, source.channels) if source.channels_last else (1, source.channels, *size)
    for one in known.graph.input:
        if one.name == source.name:
            for dim, n in zip(one.type.tensor_type.shape.dim, dims, strict=True):
                dim.dim_value = n
    try:
        known = onnx.shape_inference.infer_shapes(known, data_prop=True)
    except Exception:  # noqa: BLE001 - shapes that contradict each other; ONNX Runtime tells when it runs
        known = model
    values = [*known.graph.value_info, *known.graph.output, *known.graph.input]
    shaped = {one.name: _dims(one) for one in values if one.type.tensor_type.HasField("shape")}
    return shaped, {one.name: one.type.tensor_type.elem_type for one in values if one.type.tensor_type.elem_type}


def chosen_layer(found: list[Layer], name: str | None) -> Layer:
    """The layer of that name, or the last one that gives maps.

    Raises
    ------
    OptionError
        No such layer, or one that gives neither maps nor a vector.
    """
    if name is None:
        maps = [one for one in found if one.computes and len(one.shape) == 4 and max(_sides(one)) > 1]
        maps = [one for one in maps if one.operator not in _FOLDS]
        if maps:
            return maps[-1]
        raise OptionError("no layer gives maps; choose one with --layer, of those that --list-layers shows")
    for one in found:
        if name in (one.name, one.output):
            if len(one.shape) not in (0, 2, 4):
                raise OptionError(f"layer {name!r} gives {_dims_text(one.shape)}: choose one that gives maps, NxCxHxW")
            return one
    hint = suggestion(name, [one.name for one in found]) if len(found) <= _MOST_LISTED else ""
    if "did you mean" not in hint:
        from difflib import get_close_matches

        near = get_close_matches(name, [one.name for one in found], 1)
        hint = f", did you mean {near[0]!r}?" if near else "; --list-layers shows them"
    raise OptionError(f"layer {name!r}: the network has none of that name{hint}")


def _sides(layer: Layer) -> tuple[int, int]:
    """Height and width of a layer's maps; 2 for one that is not known, which may be large."""
    sides = layer.shape[1:3] if layer.channels_last else layer.shape[2:4]
    return sides[0] or 2, sides[1] or 2
