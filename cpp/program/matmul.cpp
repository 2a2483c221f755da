// Matrix products: (..., m, k) x (k, n), where the leading dimensions of a are rows of one product, and
// batches of products (..., m, k) x (..., k, n).
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

struct Flags {
  bool a, b;
};

Flags transposes(const Operation& operation) {
  return {attribute_int(operation, "transpose_a") != 0, attribute_int(operation, "transpose_b") != 0};
}

Attributes transpose_attributes(bool a, bool b) {
  return {{"transpose_a", static_cast<int64_t>(a)}, {"transpose_b", static_cast<int64_t>(b)}};
}

// (..., k) as (rows, k).
Shape folded(const Shape& shape) {
  Shape flat{shape.batched, {1, shape.dims.back()}};
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) flat.dims[0] *= shape.dims[static_cast<size_t>(axis)];
  return flat;
}

std::vector<Shape> infer(const Program& program, const Operation& operation) {
  const Shape& a = program.shape(operation.inputs[0]);
  const Shape& b = program.shape(operation.inputs[1]);
  const Flags transposed = transposes(operation);
  check(a.rank() >= 2 && b.rank() >= 2, "[matmul] needs matrices, got ", to_string(a), " and ", to_string(b));
  check(a.rank() == 2 || b.rank() == a.rank() || (b.rank() == 2 && !transposed.a), "[matmul] cannot multiply ",
        to_string(a), " by ", to_string(b));
  const size_t last = a.dims.size() - 1;
  Shape result = a;
  if (b.rank() > 2) {
    check(b.rank() == a.rank() && a.batched == b.batched, "[matmul] leading dimensions differ: ", to_string(a), " and ",
          to_string(b));
    for (size_t axis = 0; axis + 1 < last; ++axis) {
      check(a.dims[axis] == b.dims[axis], "[matmul] leading dimensions differ: ", to_string(a), " and ", to_string(b));
    }
  }
  // The batch may be the rows of a (a product per batch) or, transposed, what is summed over.
  const bool summed_batch = a.rank() == 2 && transposed.a && a.batched;
  const bool b_batch = b.rank() == 2 && b.batched;
  check(summed_batch == b_batch && !(b_batch && transposed.b) &&
            !(a.rank() == 2 && a.batched && b_batch && !transposed.a),
        "[matmul] the batch of ", to_string(a), " and ", to_string(b), " does not fit");
  const int64_t rows = a.dims[transposed.a ? last : last - 1];
  const int64_t inner = a.dims[transposed.a ? last - 1 : last];
  const size_t b_last = b.dims.size() - 1;
  const int64_t b_inner = b.dims[transposed.b ? b_last : b_last - 1];
  const int64_t columns = b.dims[transposed.b ? b_last - 1 : b_last];
  check(inner == b_inner, "[matmul] inner sizes differ: ", to_string(a), transposed.a ? " transposed" : "", " times ",
        to_string(b), transposed.b ? " transposed" : "");
  result.dims[last - 1] = rows;
  result.dims[last] = columns;
  if (summed_batch) result.batched = false;
  return {result};
}

// y = a b:  d_a = d_y b', d_b = a' d_y, with the transposes moved to where the operands had them.
std::vector<int> gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int a = operation.inputs[0], b = operation.inputs[1], g = d_outputs[0];
  const Flags t = transposes(operation);
  const bool fold = builder.shape(b).rank() == 2 && builder.shape(a).rank() > 2;
  const auto product = [&](int x, int y, bool tx, bool ty) {
    return builder.emit("matmul", {x, y}, transpose_attributes(tx, ty));
  };

  const int d_a = t.a ? product(b, g, t.b, true) : product(g, b, false, !t.b);
  if (fold) {
    const int rows = builder.reshape(a, folded(builder.shape(a)));
    const int d_rows = builder.reshape(g, folded(builder.shape(g)));
    return {d_a, t.b ? product(d_rows, rows, true, false) : product(rows, d_rows, true, false)};
  }
  const int d_b = t.b ? product(g, a, true, t.a) : product(a, g, !t.a, false);
  return {d_a, d_b};
}

int64_t flops(const Program& program, const Operation& operation, int64_t rows) {
  const Shape& a = program.shape(operation.inputs[0]);
  const Flags t = transposes(operation);
  const int64_t inner = a.extent(t.a ? a.rank() - 2 : a.rank() - 1, rows);
  const Shape& y =
      operation.expression.instructions.empty() ? program.shape(operation.outputs[0]) : operation.expression.shape;
  const int64_t elements = y.size(rows);
  return elements * (2 * inner + static_cast<int64_t>(operation.expression.instructions.size()));
}

}  // namespace

void add_matmul_rules(RuleTable& rules) {
  Rule rule;
  rule.arity = 2;
  rule.infer = infer;
  rule.gradient = gradient;
  rule.flops = flops;
  rule.takes_epilogue = true;
  rules["matmul"] = rule;
}

}  // namespace ganglion
