#pragma once

#include <pybind11/pybind11.h>

namespace ganglion {

// Store, Executable, Trainer and the number of threads.
void bind_training(pybind11::module_& m);

}  // namespace ganglion
