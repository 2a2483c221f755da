"""The operations that layers, losses, optimizers and metrics are written with.

Each takes :class:`~ganglion.value.Value` operands, appends to the program being traced, and returns
a Value. Names and meaning are NumPy's; elementwise ones broadcast as NumPy's do. The first axis of
a batched value is the batch, None in its shape: it stays first, and is never sliced or padded.
Shapes that do not fit raise ``ValueError`` and name the operation.

>>> import numpy as np
>>> evaluate(lambda x: sum(relu(x) * 2, axis=1), np.array([[1.0, -1.0], [3.0, 4.0]]))
array([ 2., 14.])
"""

from ganglion.nodes import taking_inputs
from ganglion.ops.convolution import convolution, convolution_transpose
from ganglion.ops.elementwise import (
    absolute,
    add,
    clip,
    cospi,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    greater,
    greater_equal,
    is_finite,
    less,
    less_equal,
    log,
    log1p,
    log_sigmoid,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sinpi,
    softplus,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from ganglion.ops.evaluation import evaluate
from ganglion.ops.loops import scan
from ganglion.ops.pooling import average_pool, max_pool
from ganglion.ops.products import (
    argmax,
    crossentropy,
    kth_largest,
    log_softmax,
    matmul,
    one_hot,
    softmax,
    sparse_crossentropy,
    take,
)
from ganglion.ops.program import (
    assign,
    constant,
    random_normal,
    random_uniform,
    stop_gradient,
    with_mask,
)
from ganglion.ops.reductions import axis_size, logsumexp, max, mean, min, sum, variance
from ganglion.ops.resampling import resample
from ganglion.ops.resizing import resize
from ganglion.ops.structure import (
    as_batch,
    broadcast_to,
    concat,
    expand_dims,
    feature_axes,
    flatten,
    flip,
    from_batch,
    pad,
    reshape,
    roll,
    rows,
    slice,
    squeeze,
    transpose,
)

__all__ = [
    "absolute",
    "add",
    "argmax",
    "as_batch",
    "assign",
    "average_pool",
    "axis_size",
    "broadcast_to",
    "clip",
    "concat",
    "constant",
    "convolution",
    "convolution_transpose",
    "cospi",
    "crossentropy",
    "divide",
    "equal",
    "erf",
    "evaluate",
    "exp",
    "expand_dims",
    "expm1",
    "feature_axes",
    "flatten",
    "flip",
    "floor",
    "from_batch",
    "greater",
    "greater_equal",
    "is_finite",
    "kth_largest",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "max_pool",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "one_hot",
    "pad",
    "power",
    "random_normal",
    "random_uniform",
    "reciprocal",
    "relu",
    "resample",
    "reshape",
    "resize",
    "roll",
    "rows",
    "rsqrt",
    "scan",
    "sigmoid",
    "sign",
    "sinpi",
    "slice",
    "softmax",
    "softplus",
    "sparse_crossentropy",
    "sqrt",
    "square",
    "squeeze",
    "stop_gradient",
    "subtract",
    "sum",
    "take",
    "tanh",
    "transpose",
    "variance",
    "where",
    "with_mask",
]

# In a graph that is drawn, an operation takes `layers.Input` for the node that it stands for.
for _name in __all__:
    globals()[_name] = taking_inputs(globals()[_name])


def __dir__() -> list[str]:
    return __all__
