// Runs a program on the device.
#pragma once

#include "engines/executable.h"

namespace ganglion::cuda {

// Raises where there is no device, and for an operation that it cannot run.
template <class T>
std::unique_ptr<Executable<T>> make_cuda_executable(Program program, const Buffers& buffers);

}  // namespace ganglion::cuda
