#pragma once

#include <pybind11/pybind11.h>

namespace ganglion {

// Builder and Program.
void bind_program(pybind11::module_& m);

}  // namespace ganglion
