"""Writing a network as ONNX: its prediction program, operation by operation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion._core import __version__
from ganglion.atomic import replaced_file
from ganglion.built import Built
from ganglion.compile import predict_trace
from ganglion.interop.onnx_forms import Form, forms_of, operator
from ganglion.interop.onnx_nodes import OnnxNodes
from ganglion.interop.onnx_operations import (
    OPERATIONS,
    Operation,
    reads_between_pixels,
    resized,
)
from ganglion.ops.resizing import places_between
from ganglion.optional import require
from ganglion.value import Shape

# Of 2022: what all runtimes in use read.
OPSET = 17
IR_VERSION = 8
# Bytes that one protobuf message can hold.
_LARGEST = 2**31

Description = Mapping[str, Any]


def export(built: Built, path: str | os.PathLike[str]) -> None:
    """Write the prediction of a network to a file; see `Sequential.to_onnx`."""
    onnx = require("onnx", "to_onnx", extra="onnx")
    if built.recipe.is_open:
        raise ValueError(
            f"[to_onnx] the network takes any number of steps, {_open_shape(built)}, and a "
            f"file is written for one: build the same layers with Input({_with_steps(built)}), "
            "and give that network the weights, set_weights(net.get_weights())"
        )
    weights = built.parameters.array
    if weights.nbytes >= _LARGEST:
        raise ValueError(
            f"[to_onnx] the weights take {weights.nbytes} bytes, an ONNX file holds less than 2 GB"
        )
    trace = predict_trace(built.recipe)
    description = trace.finish(fuse=False).describe()
    model = model_of(onnx, description, weights, built.dtype, forms_of(trace, built.dtype))
    content: bytes = model.SerializeToString()
    with replaced_file(path) as temporary, open(temporary, "wb") as file:
        file.write(content)


def _with_steps(built: Built) -> str:
    return str(("steps", *_open_shape(built)[2:])).replace("'", "")


def _open_shape(built: Built) -> Shape:
    return built.recipe.input_shapes[built.recipe.open_inputs[0]]


def model_of(
    onnx: ModuleType,
    description: Description,
    parameters: NDArray[Any],
    dtype: str,
    forms: Mapping[int, Form],
) -> Any:
    """Return a program as an ONNX model.

    Parameters
    ----------
    onnx : module
        The library.
    description : dict
        What `Program.describe` returns of a program that was not fused.
    parameters : ndarray
        The flat buffer of weights.
    dtype : {"float32", "float64"}
        Of the model.
    forms : dict of int to Form
        How results are written that are not written operation by operation.

    Raises
    ------
    ValueError
        An operation has no ONNX form.
    """
    nodes = OnnxNodes(onnx, dtype)
    program = _Program(description, parameters)
    names: dict[int, str] = {}
    for value in program.inputs:
        names[value] = nodes.unique(program.values[value]["name"])
        if program.values[value]["batched"]:
            nodes.batch = names[value]
    for output, _ in description["outputs"]:
        nodes.unique(output)
    written = program.write(nodes, names, forms)
    results = dict(zip((output for output, _ in description["outputs"]), written, strict=True))
    kept, initializers = nodes.finish(results)
    inputs = [
        _tensor_info(onnx, nodes, names[value], program.values[value]) for value in program.inputs
    ]
    outputs = [
        _tensor_info(onnx, nodes, output, program.values[value])
        for output, value in description["outputs"]
    ]
    graph = onnx.helper.make_graph(kept, "ganglion", inputs, outputs, initializers)
    return onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="ganglion",
        producer_version=__version__,
    )


def _tensor_info(onnx: ModuleType, nodes: OnnxNodes, name: str, value: Description) -> Any:
    shape: list[int | str] = list(value["shape"])
    if value["batched"]:
        shape[0] = "batch" if shape[0] == 1 else f"batch*{shape[0]}"
    return onnx.helper.make_tensor_value_info(name, nodes.element_type, shape)


class _Program:
    """A described program, and how its results are written."""

    def __init__(self, description: Description, parameters: NDArray[Any] | None) -> None:
        self.values: list[Description] = description["values"]
        self.inputs: list[int] = description["inputs"]
        self._constants: list[NDArray[Any]] = description["constants"]
        self._parameters = parameters
        self._operations: list[Operation] = description["operations"]
        self._outputs = [value for _, value in description["outputs"]]
        self._producers = {value: op for op in self._operations for value in op["outputs"]}
        self._uses = Counter(value for op in self._operations for value in op["inputs"])
        self._uses.update(self._outputs)

    def write(
        self, nodes: OnnxNodes, names: dict[int, str], forms: Mapping[int, Form]
    ) -> list[str]:
        """Add the nodes, and return the names of the outputs; those of the inputs are given."""

        def name_of(value: int) -> str:
            if value not in names:
                place = self.values[value]
                shape = [int(size) for size in place["shape"]]
                if place["storage"] == "constant":
                    numbers = np.reshape(self._constants[place["offset"]], shape)
                    names[value] = nodes.numbers(numbers)
                else:
                    assert self._parameters is not None
                    end = place["offset"] + int(np.prod(shape))
                    array = self._parameters[place["offset"] : end].reshape(shape)
                    names[value] = nodes.weight(place["name"], array)
            return names[value]

        for value, operation, form in self._plan(forms):
            nodes.label = operation["label"]
            names[value] = form.write(nodes, [name_of(one) for one in form.inputs])
        return [name_of(value) for value in self._outputs]

    def _plan(self, forms: Mapping[int, Form]) -> list[tuple[int, Operation, Form]]:
        """Return what is to be written, in order: a result, its operation, and its form."""
        needed, chosen = set(self._outputs), []
        for operation in reversed(self._operations):
            for value in operation["outputs"]:
                # A view of a weight is a weight itself. What changes one is needed by all that
                # follow.
                computed = value in needed and self.values[value]["storage"] == "arena"
                if computed or operation["kind"] == "assign":
                    form = forms.get(value) or self._form_of(operation, value)
                    needed.update(form.inputs)
                    chosen.append((value, operation, form))
        return chosen[::-1]

    def _form_of(self, operation: Operation, value: int) -> Form:
        if operation["loop"] is not None:
            return self._loop(operation, value)
        return (
            self._product_and_sum(operation) or self._resizing(operation) or self._plain(operation)
        )

    def _loop(self, operation: Operation, value: int) -> Form:
        """Return the form of one result of a loop, which is written once for all of them."""
        loop, place = operation["loop"], operation["outputs"].index(value)
        body = _Program(loop["body"], None)
        carries, sequences = loop["carries"], loop["sequences"]
        results = len(operation["outputs"]) - carries
        direction = int(loop["reverse"])

        def write(nodes: OnnxNodes, names: list[str]) -> str:
            stepped, shared = names[: carries + sequences], names[carries + sequences :]
            key = (*names, *operation["outputs"])
            if key not in nodes.loops:

                def write_body(given: list[str]) -> list[str]:
                    known = dict(zip(body.inputs, [*given, *shared], strict=True))
                    made = body.write(nodes, known, {})
                    if not loop["masked"]:
                        return made
                    zeros = [nodes.numbers(0.0)] * results
                    return body.where(nodes, given[-1], made, [*given[:carries], *zeros])

                of_results = {
                    "scan_output_axes": [1] * results,
                    "scan_output_directions": [direction] * results,
                }
                graph = nodes.graph(["state"] * carries + ["step"] * sequences, write_body)
                nodes.label = operation["label"]
                nodes.loops[key] = nodes.add_several(
                    "Scan",
                    stepped,
                    carries + results,
                    body=graph,
                    num_scan_inputs=sequences,
                    scan_input_axes=[1] * sequences,
                    scan_input_directions=[direction] * sequences,
                    **(of_results if results else {}),
                )
            name: str = nodes.loops[key][place]
            return name

        return Form(operation["inputs"], write)

    def where(
        self, nodes: OnnxNodes, mask: str, outputs: list[str], others: list[str]
    ) -> list[str]:
        """Return the outputs for the samples whose mask (n,) is not 0, others for the rest."""
        counts = nodes.add("Not", nodes.add("Equal", mask, nodes.numbers(0.0)))
        chosen = []
        for value, output, other in zip(self._outputs, outputs, others, strict=True):
            axes = nodes.integers(list(range(1, len(self.values[value]["shape"]))))
            chosen.append(nodes.add("Where", nodes.add("Unsqueeze", counts, axes), output, other))
        return chosen

    def _plain(self, operation: Operation) -> Form:
        kind, label = operation["kind"], operation["label"]
        if kind not in OPERATIONS:
            raise ValueError(
                f"[to_onnx] operation {kind!r} of layer {label!r} has no ONNX form in a prediction"
            )
        shapes = [self.values[value]["shape"] for value in operation["inputs"]]
        described = {**operation, "shapes": shapes}
        write = OPERATIONS[kind]
        return Form(operation["inputs"], lambda nodes, names: write(nodes, described, names))

    def _product_and_sum(self, operation: Operation) -> Form | None:
        """Return the form of ``a @ b + c`` for matrices a and b."""
        if operation["kind"] != "add":
            return None
        for product, c in (operation["inputs"], operation["inputs"][::-1]):
            matmul = self._producers.get(product)
            if matmul is None or matmul["kind"] != "matmul" or self._uses[product] > 1:
                continue
            ranks = [len(self.values[value]["shape"]) for value in matmul["inputs"]]
            sum_shape = self.values[operation["outputs"][0]]["shape"]
            fits = sum_shape == self.values[product]["shape"] and not self.values[c]["batched"]
            if ranks == [2, 2] and fits:
                flags = matmul["attributes"]
                return operator(
                    "Gemm",
                    [*matmul["inputs"], c],
                    transA=flags["transpose_a"],
                    transB=flags["transpose_b"],
                )
        return None

    def _resizing(self, operation: Operation) -> Form | None:
        """Return the form of images in another size: `resample` with the constant that says so."""
        if operation["kind"] != "resample" or not reads_between_pixels(operation):
            return None
        images, matrix = operation["inputs"]
        size = operation["attributes"]["size"]
        repeated = self._producers.get(matrix)  # for each image
        if repeated is None or repeated["kind"] != "copy":
            return None
        source = self.values[repeated["inputs"][0]]
        if source["storage"] != "constant":
            return None
        shape = self.values[images]["shape"]
        if tuple(np.ravel(self._constants[source["offset"]])) != places_between(shape[1:3], size):
            return None
        return Form([images], lambda nodes, names: resized(nodes, names[0], shape, size))
