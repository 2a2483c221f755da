#pragma once

#include <pybind11/pybind11.h>

namespace ganglion {

// kernel_isa, available_isas, and the submodule `kernels`: kernels one by one, for tests and benchmarks.
void bind_kernels(pybind11::module_& m);

}  // namespace ganglion
