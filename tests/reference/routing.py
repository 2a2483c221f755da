"""Products of the routing of capsules: derivatives of one form, c(n,j,i) u(n,k,i) w(j,k,i,d) v."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.operations import operation

Array = np.ndarray
Attributes = dict[str, Any]


@operation("routing_agreement")
def routing_agreement(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.einsum("nki,jkid,njd->nji", *inputs)


@operation("routing_input_gradient")
def routing_input_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.einsum("nji,jkid,njd->nki", *inputs)


@operation("routing_weight_gradient")
def routing_weight_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.einsum("nji,nki,njd->jkid", *inputs)


@operation("routing_sum")
def routing_sum(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.einsum("nji,nki,jkid->njd", *inputs)
