// Softmax over the last axis, and cross-entropy fused with it, which is exact at extreme logits. The
// gradients are operations of their own: each is one pass over a row.
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

Shape without_last(const Shape& shape) {
  Shape result = shape;
  result.dims.pop_back();
  return result;
}

void check_rows(const Operation& operation, const Shape& x) {
  check(x.rank() > (x.batched ? 1 : 0), "[", operation.kind, "] needs a last axis to run over, got ", to_string(x));
}

std::vector<Shape> infer_softmax(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  check_rows(operation, x);
  return {x};
}

// softmax_gradient(probabilities, d_out), log_softmax_gradient(out, d_out)
std::vector<Shape> infer_softmax_gradient(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  check_rows(operation, x);
  check(program.shape(operation.inputs[1]) == x, "[", operation.kind, "] shapes differ: ", to_string(x), " and ",
        to_string(program.shape(operation.inputs[1])));
  return {x};
}

// (logits, index or target) to (loss, probabilities)
std::vector<Shape> infer_crossentropy(const Program& program, const Operation& operation) {
  const Shape& logits = program.shape(operation.inputs[0]);
  const Shape& target = program.shape(operation.inputs[1]);
  check_rows(operation, logits);
  const Shape expected = operation.kind == "crossentropy" ? logits : without_last(logits);
  check(target == expected, "[", operation.kind, "] logits ", to_string(logits), " need a target of shape ",
        to_string(expected), ", got ", to_string(target));
  return {without_last(logits), logits};
}

// (probabilities, index or target, d_loss)
std::vector<Shape> infer_crossentropy_gradient(const Program& program, const Operation& operation) {
  const Shape& probabilities = program.shape(operation.inputs[0]);
  check_rows(operation, probabilities);
  const Shape row = without_last(probabilities);
  const Shape& target = program.shape(operation.inputs[1]);
  check(target == (operation.kind == "crossentropy_gradient" ? probabilities : row) &&
            program.shape(operation.inputs[2]) == row,
        "[", operation.kind, "] target ", to_string(target), " and d_loss ",
        to_string(program.shape(operation.inputs[2])), " do not fit probabilities ", to_string(probabilities));
  return {probabilities};
}

// One number a row, to be broadcast over its columns.
int spread(Builder& builder, int row) {
  Shape shape = builder.shape(row);
  shape.dims.push_back(1);
  return builder.reshape(row, shape);
}

int sum_rows(Builder& builder, int x) {
  const int64_t last = builder.shape(x).rank() - 1;
  return spread(builder, builder.emit("reduce_sum", {x}, {{"first", last}, {"last", last}}));
}

std::vector<int> d_softmax(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {builder.emit(operation.kind + "_gradient", {operation.outputs[0], d_outputs[0]})};
}

// y = p (g - s) with s = sum(g p):  d_p = d_y (g - s) - g sum(d_y p),  d_g = p (d_y - sum(d_y p))
std::vector<int> d_softmax_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int p = operation.inputs[0], g = operation.inputs[1], d_y = d_outputs[0];
  const int s = sum_rows(builder, builder.multiply(g, p));
  const int back = sum_rows(builder, builder.multiply(d_y, p));
  const int d_p =
      builder.emit("subtract", {builder.multiply(d_y, builder.emit("subtract", {g, s})), builder.multiply(g, back)});
  return {d_p, builder.emit("softmax_gradient", {p, d_y})};
}

// d_x = g - p sum(g) with p = exp(y):  d_y = -s p sum(g),  d_g = s - sum(s p),  with s = d_d_x
std::vector<int> d_log_softmax_gradient(Builder& builder, const Operation& operation,
                                        const std::vector<int>& d_outputs) {
  const int g = operation.inputs[1], seed = d_outputs[0];
  const int weighed = builder.multiply(seed, builder.emit("exp", {operation.inputs[0]}));
  const int d_y = builder.emit("negative", {builder.multiply(weighed, sum_rows(builder, g))});
  return {d_y, builder.emit("subtract", {seed, sum_rows(builder, weighed)})};
}

// d_logits = g (p sum(t) - t), t the target, for an index one that sums to 1:
// d_p = s g sum(t),  d_t = g (sum(s p) - s),  d_g = sum(s (p sum(t) - t)),  with s = d_d_logits
std::vector<int> d_crossentropy_gradient(Builder& builder, const Operation& operation,
                                         const std::vector<int>& d_outputs) {
  const int p = operation.inputs[0], target = operation.inputs[1], seed = d_outputs[0];
  const int g = spread(builder, operation.inputs[2]);
  const int of_loss = builder.broadcast_to(builder.constant(1.0), builder.shape(operation.inputs[2]));
  const int slope = builder.emit(operation.kind, {p, target, of_loss});
  const Shape row = builder.shape(operation.inputs[2]);
  const int d_g = builder.reshape(sum_rows(builder, builder.multiply(seed, slope)), row);
  int d_p = builder.multiply(seed, g);
  if (operation.kind != "crossentropy_gradient") return {d_p, kUnknownGradient, d_g};
  const int back = builder.emit("subtract", {sum_rows(builder, builder.multiply(seed, p)), seed});
  d_p = builder.multiply(d_p, sum_rows(builder, target));
  return {d_p, builder.multiply(g, back), d_g};
}

// The loss is -sum(target log(p)). Of the sparse one there is no gradient with respect to the index.
std::vector<int> d_crossentropy(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int logits = operation.inputs[0], target = operation.inputs[1], probabilities = operation.outputs[1];
  int d_logits = -1, d_target = -1;
  if (d_outputs[0] >= 0) {
    d_logits = builder.emit(operation.kind + "_gradient", {probabilities, target, d_outputs[0]});
    if (operation.kind == "crossentropy") {
      const int row = builder.emit("negative", {spread(builder, d_outputs[0])});
      d_target = builder.multiply(row, builder.emit("log_softmax", {logits}));
    }
  }
  if (d_outputs[1] >= 0) {
    const int share = builder.emit("softmax_gradient", {probabilities, d_outputs[1]});
    d_logits = d_logits < 0 ? share : builder.add(d_logits, share);
  }
  return {d_logits, d_target};
}

// The exponential counts as one: exp, two sums and a division an element.
int64_t row_flops(const Program& program, const Operation& operation, int64_t rows) {
  return 4 * program.shape(operation.inputs[0]).size(rows);
}

}  // namespace

void add_softmax_rules(RuleTable& rules) {
  Rule softmax;
  softmax.infer = infer_softmax;
  softmax.gradient = d_softmax;
  softmax.flops = row_flops;
  rules["softmax"] = softmax;
  rules["log_softmax"] = softmax;

  Rule softmax_gradient;
  softmax_gradient.arity = 2;
  softmax_gradient.infer = infer_softmax_gradient;
  softmax_gradient.flops = row_flops;
  softmax_gradient.gradient = d_log_softmax_gradient;
  rules["log_softmax_gradient"] = softmax_gradient;
  softmax_gradient.gradient = d_softmax_gradient;
  rules["softmax_gradient"] = softmax_gradient;

  Rule crossentropy;
  crossentropy.arity = 2;
  crossentropy.infer = infer_crossentropy;
  crossentropy.gradient = d_crossentropy;
  crossentropy.flops = row_flops;
  rules["crossentropy"] = crossentropy;
  rules["sparse_crossentropy"] = crossentropy;

  Rule crossentropy_gradient;
  crossentropy_gradient.arity = 3;
  crossentropy_gradient.infer = infer_crossentropy_gradient;
  crossentropy_gradient.gradient = d_crossentropy_gradient;
  crossentropy_gradient.flops = row_flops;
  rules["crossentropy_gradient"] = crossentropy_gradient;
  rules["sparse_crossentropy_gradient"] = crossentropy_gradient;
}

}  // namespace ganglion
