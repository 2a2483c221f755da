// The sizes of a product of the routing of capsules, from the shapes of the operation's operands.
#pragma once

#include <array>
#include <cstdint>

#include "program/program.h"

namespace ganglion {

// The four factors of the form, in the order of their names; each kind of operation has one of them as its result.
enum RoutingFactor { kCoupling, kCapsules, kWeights, kOutputs, kRoutingFactors };

struct RoutingSizes {
  RoutingFactor result;
  bool batched;
  int64_t batch, capsules, inputs, input_dim, dim;  // batch: rows of a sample

  // Where a factor is among the operands.
  size_t place(RoutingFactor factor) const { return static_cast<size_t>(factor > result ? factor - 1 : factor); }
  int64_t columns() const { return input_dim * inputs; }  // of u, and rows of the weights of a capsule
  int64_t outputs() const { return capsules * dim; }
  int64_t weights() const { return capsules * columns() * dim; }
};

// Raises Error on operands that do not fit.
RoutingSizes routing_sizes(const Program& program, const Operation& operation);

}  // namespace ganglion
