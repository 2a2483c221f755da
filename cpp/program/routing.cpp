// Products of the routing between capsules (Sabour, Frosst and Hinton 2017). Each of i input capsules u predicts each
// of j capsules by a matrix of its own, and couplings c weigh the predictions. All of it comes from one form, linear in
// each of its four factors,
//
//   L = sum c(n, j, i) u(n, k, i) W(j, k, i, d) v(n, j, d)
//
// whose derivatives by a factor are the operations:
//
//   routing_agreement        u, W, v -> (n, j, i)      how well each prediction fits v
//   routing_input_gradient   c, W, v -> (n, k, i)
//   routing_weight_gradient  c, u, v -> (j, k, i, d)
//   routing_sum              c, u, W -> (n, j, d)      the predictions, added up
//
// So the gradients of each of the four are the other three. The predictions, (n, i, j, d), are in none of them. The
// input capsules stand last, so that vectors run along them.
#include "program/routing.h"

#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

constexpr std::array<const char*, kRoutingFactors> kKinds{"routing_agreement", "routing_input_gradient",
                                                          "routing_weight_gradient", "routing_sum"};

std::vector<Shape> infer(const Program& program, const Operation& operation) {
  const RoutingSizes x = routing_sizes(program, operation);
  switch (x.result) {
    case kCoupling:
      return {{x.batched, {x.batch, x.capsules, x.inputs}}};
    case kCapsules:
      return {{x.batched, {x.batch, x.input_dim, x.inputs}}};
    case kWeights:
      return {{false, {x.capsules, x.input_dim, x.inputs, x.dim}}};
    default:
      return {{x.batched, {x.batch, x.capsules, x.dim}}};
  }
}

// By a factor: the operation that has it as its result, with the gradient in place of this one's.
std::vector<int> gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const std::vector<int> inputs = operation.inputs;
  std::vector<int> factors = inputs;
  const RoutingSizes sizes = routing_sizes(builder.program(), operation);
  factors.insert(factors.begin() + sizes.result, d_outputs[0]);
  std::vector<int> gradients;
  for (int by = 0; by < kRoutingFactors; ++by) {
    if (by == sizes.result) continue;
    std::vector<int> others = factors;
    others.erase(others.begin() + by);
    gradients.push_back(builder.emit(kKinds[static_cast<size_t>(by)], others));
  }
  return gradients;
}

int64_t flops(const Program& program, const Operation& operation, int64_t rows) {
  const RoutingSizes x = routing_sizes(program, operation);
  return 2 * x.batch * (x.batched ? rows : 1) * (x.weights() + x.capsules * x.columns()) +
         epilogue_flops(operation, rows);
}

}  // namespace

RoutingSizes routing_sizes(const Program& program, const Operation& operation) {
  const std::string& kind = operation.kind;
  RoutingSizes sizes{};
  while (kind != kKinds[static_cast<size_t>(sizes.result)]) sizes.result = static_cast<RoutingFactor>(sizes.result + 1);
  const auto factor = [&](RoutingFactor which, int rank) -> const Shape& {
    const Shape& shape = program.shape(operation.inputs[sizes.place(which)]);
    check(shape.rank() == rank && (which != kWeights || !shape.batched), "[", kind, "] ",
          std::array{"couplings need a shape (n, capsules, inputs)", "input capsules need a shape (n, dim, inputs)",
                     "weights need a shape (capsules, input dim, inputs, dim)",
                     "capsules need a shape (n, capsules, dim)"}[which],
          ", got ", to_string(shape));
    return shape;
  };
  // Each size is said by two factors or three, of which one may be the result.
  bool known = false;
  const auto agree = [&](int64_t* size, int64_t said, const char* name) {
    check(*size == 0 || *size == said, "[", kind, "] the operands differ in their number of ", name, ": ", *size,
          " and ", said);
    *size = said;
  };
  const auto agree_batch = [&](const Shape& shape) {
    check(!known || (shape.batched == sizes.batched && shape.dims[0] == sizes.batch), "[", kind,
          "] the operands differ in their batches");
    known = true;
    sizes.batched = shape.batched;
    sizes.batch = shape.dims[0];
  };
  if (sizes.result != kCoupling) {
    const Shape& c = factor(kCoupling, 3);
    agree_batch(c);
    agree(&sizes.capsules, c.dims[1], "capsules");
    agree(&sizes.inputs, c.dims[2], "input capsules");
  }
  if (sizes.result != kCapsules) {
    const Shape& u = factor(kCapsules, 3);
    agree_batch(u);
    agree(&sizes.input_dim, u.dims[1], "dimensions of an input capsule");
    agree(&sizes.inputs, u.dims[2], "input capsules");
  }
  if (sizes.result != kWeights) {
    const Shape& w = factor(kWeights, 4);
    agree(&sizes.capsules, w.dims[0], "capsules");
    agree(&sizes.input_dim, w.dims[1], "dimensions of an input capsule");
    agree(&sizes.inputs, w.dims[2], "input capsules");
    agree(&sizes.dim, w.dims[3], "dimensions of a capsule");
  }
  if (sizes.result != kOutputs) {
    const Shape& v = factor(kOutputs, 3);
    agree_batch(v);
    agree(&sizes.capsules, v.dims[1], "capsules");
    agree(&sizes.dim, v.dims[2], "dimensions of a capsule");
  }
  return sizes;
}

void add_routing_rules(RuleTable& rules) {
  for (size_t result = 0; result < kRoutingFactors; ++result) {
    Rule rule;
    rule.arity = kRoutingFactors - 1;
    rule.infer = infer;
    rule.gradient = gradient;
    rule.flops = flops;
    rule.takes_epilogue = result == kWeights;
    rules[kKinds[result]] = rule;
  }
}

}  // namespace ganglion
