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
  return {program.shape(operation.inputs[0])};
}

std::vector<int> d_softmax(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {builder.emit(operation.kind + "_gradient", {operation.outputs[0], d_outputs[0]})};
}

std::vector<int> d_crossentropy(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  if (d_outputs[0] < 0) return {-1, -1};
  return {builder.emit(operation.kind + "_gradient", {operation.outputs[1], operation.inputs[1], d_outputs[0]}), -1};
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
  rules["softmax_gradient"] = softmax_gradient;
  rules["log_softmax_gradient"] = softmax_gradient;

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
  crossentropy_gradient.flops = row_flops;
  rules["crossentropy_gradient"] = crossentropy_gradient;
  rules["sparse_crossentropy_gradient"] = crossentropy_gradient;
}

}  // namespace ganglion
