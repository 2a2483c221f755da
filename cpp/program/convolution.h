// The sizes of a convolution, and of its two gradients, from the shapes and attributes of the operation.
#pragma once

#include "core/convolution_sizes.h"
#include "program/program.h"

namespace ganglion {

// Raises Error on inputs that do not fit.
ConvolutionSizes convolution_sizes(const Program& program, const Operation& operation);

}  // namespace ganglion
