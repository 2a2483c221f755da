// Sums and maxima over a run of neighbouring axes, which disappear; how many elements a run holds; argmax, the k-th
// largest.
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

struct Axes {
  int first, last;
};

Axes reduced_axes(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  const int64_t first = attribute_int(operation, "first"), last = attribute_int(operation, "last");
  check(first >= 0 && first <= last && last < x.rank(), "[", operation.kind, "] axes ", first, " to ", last,
        " do not fit the shape ", to_string(x));
  return {static_cast<int>(first), static_cast<int>(last)};
}

Shape without(const Shape& x, Axes axes) {
  Shape shape;
  shape.batched = x.batched && axes.first > 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < axes.first || axis > axes.last) shape.dims.push_back(x.dims[static_cast<size_t>(axis)]);
  }
  return shape;
}

// The reduced shape with ones for what disappeared, which broadcasts against x.
Shape kept(const Shape& x, Axes axes) {
  Shape shape = x;
  shape.batched = x.batched && axes.first > 0;
  for (int axis = axes.first; axis <= axes.last; ++axis) shape.dims[static_cast<size_t>(axis)] = 1;
  return shape;
}

std::vector<Shape> infer(const Program& program, const Operation& operation) {
  return {without(program.shape(operation.inputs[0]), reduced_axes(program, operation))};
}

std::vector<Shape> infer_axis_size(const Program& program, const Operation& operation) {
  reduced_axes(program, operation);
  return {Shape{}};
}

std::vector<Shape> infer_argmax(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  check(x.rank() > (x.batched ? 1 : 0), "[", operation.kind, "] needs a last axis, got ", to_string(x));
  return {without(x, {x.rank() - 1, x.rank() - 1})};
}

// (x, k), where k is one number.
std::vector<Shape> infer_kth_largest(const Program& program, const Operation& operation) {
  check(program.shape(operation.inputs[1]) == Shape{}, "[kth_largest] k must be one number, got ",
        to_string(program.shape(operation.inputs[1])));
  return infer_argmax(program, operation);
}

// A sum over axes of one element is a reshape.
int simplify_reduction(Builder& builder, const Operation& operation) {
  const Axes axes = reduced_axes(builder.program(), operation);
  const Shape& x = builder.shape(operation.inputs[0]);
  for (int axis = axes.first; axis <= axes.last; ++axis) {
    if (x.dims[static_cast<size_t>(axis)] != 1 || (axis == 0 && x.batched)) return -1;
  }
  return builder.reshape(operation.inputs[0], without(x, axes));
}

int simplify_axis_size(Builder& builder, const Operation& operation) {
  const Axes axes = reduced_axes(builder.program(), operation);
  const Shape& x = builder.shape(operation.inputs[0]);
  if (x.batched && axes.first == 0) return -1;
  int64_t size = 1;
  for (int axis = axes.first; axis <= axes.last; ++axis) size *= x.dims[static_cast<size_t>(axis)];
  return builder.constant(static_cast<double>(size));
}

std::vector<int> d_sum(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const Shape x = builder.shape(operation.inputs[0]);
  const int g = builder.reshape(d_outputs[0], kept(x, reduced_axes(builder.program(), operation)));
  return {builder.broadcast_to(g, x)};
}

// Equal maxima share the gradient evenly.
std::vector<int> d_max(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int x = operation.inputs[0];
  const Shape with_ones = kept(builder.shape(x), reduced_axes(builder.program(), operation));
  const int largest = builder.emit("equal", {x, builder.reshape(operation.outputs[0], with_ones)});
  const int winners = builder.reshape(builder.emit("reduce_sum", {largest}, operation.attributes), with_ones);
  const int share = builder.divide(builder.reshape(d_outputs[0], with_ones), winners);
  return {builder.multiply(largest, share)};
}

int64_t input_elements(const Program& program, const Operation& operation, int64_t rows) {
  return program.shape(operation.inputs[0]).size(rows);
}

}  // namespace

void add_reduction_rules(RuleTable& rules) {
  Rule sum;
  sum.infer = infer;
  sum.gradient = d_sum;
  sum.simplify = simplify_reduction;
  sum.flops = input_elements;
  rules["reduce_sum"] = sum;

  Rule max = sum;
  max.gradient = d_max;
  rules["reduce_max"] = max;

  Rule axis_size;
  axis_size.infer = infer_axis_size;
  axis_size.simplify = simplify_axis_size;
  axis_size.flops = no_flops;
  axis_size.shape_only = true;
  axis_size.flat = true;
  rules["axis_size"] = axis_size;

  Rule argmax;
  argmax.infer = infer_argmax;
  argmax.flops = input_elements;
  argmax.flat = true;
  rules["argmax"] = argmax;

  Rule kth_largest;
  kth_largest.arity = 2;
  kth_largest.infer = infer_kth_largest;
  kth_largest.flops = input_elements;
  rules["kth_largest"] = kth_largest;
}

}  // namespace ganglion
