// Operations that move values and compute nothing: reshape, transpose, slice, flip, pad, concat, roll, which gives each
// sample's place to another, and pack, which joins gradients into the flat buffer an optimizer works on.
#include <algorithm>

#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

using Gradients = std::vector<int>;

int64_t axis_of(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  const int64_t axis = attribute_int(operation, "axis");
  check(axis >= (x.batched ? 1 : 0) && axis < x.rank(), "[", operation.kind, "] axis ", axis,
        " does not fit the shape ", to_string(x));
  return axis;
}

std::vector<Shape> infer_reshape(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  const Shape shape = attribute_shape(operation);
  check(shape.batched == x.batched && shape.sample_size() == x.sample_size(), "[reshape] cannot reshape ", to_string(x),
        " into ", to_string(shape));
  return {shape};
}

int simplify_reshape(Builder& builder, const Operation& operation) {
  const int x = operation.inputs[0];
  const Shape shape = attribute_shape(operation);
  if (builder.shape(x) == shape) return x;
  const Operation* before = builder.producer(x);
  if (before && before->kind == "reshape") return builder.reshape(before->inputs[0], shape);
  return -1;
}

Gradients d_reshape(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  return {builder.reshape(d_outputs[0], builder.shape(operation.inputs[0]))};
}

std::vector<Shape> infer_transpose(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  const std::vector<int64_t>& permutation = attribute_list(operation, "permutation");
  std::vector<char> seen(x.dims.size(), 0);
  bool fits = permutation.size() == x.dims.size() && (!x.batched || permutation[0] == 0);
  Shape shape = x;
  for (size_t axis = 0; fits && axis < permutation.size(); ++axis) {
    const int64_t from = permutation[axis];
    fits = from >= 0 && from < x.rank() && !seen[static_cast<size_t>(from)];
    if (!fits) break;
    seen[static_cast<size_t>(from)] = 1;
    shape.dims[axis] = x.dims[static_cast<size_t>(from)];
  }
  check(fits, "[transpose] the permutation does not fit the shape ", to_string(x), ", whose batch stays first");
  return {shape};
}

int simplify_transpose(Builder&, const Operation& operation) {
  const std::vector<int64_t>& permutation = attribute_list(operation, "permutation");
  for (size_t axis = 0; axis < permutation.size(); ++axis) {
    if (permutation[axis] != static_cast<int64_t>(axis)) return -1;
  }
  return operation.inputs[0];
}

Gradients d_transpose(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  const std::vector<int64_t>& permutation = attribute_list(operation, "permutation");
  std::vector<int64_t> inverse(permutation.size());
  for (size_t axis = 0; axis < permutation.size(); ++axis) {
    inverse[static_cast<size_t>(permutation[axis])] = static_cast<int64_t>(axis);
  }
  return {builder.emit("transpose", {d_outputs[0]}, {{"permutation", inverse}})};
}

std::vector<Shape> infer_slice(const Program& program, const Operation& operation) {
  Shape shape = program.shape(operation.inputs[0]);
  int64_t& dim = shape.dims[static_cast<size_t>(axis_of(program, operation))];
  const int64_t start = attribute_int(operation, "start"), stop = attribute_int(operation, "stop");
  check(start >= 0 && start < stop && stop <= dim, "[slice] ", start, ":", stop, " does not fit a dimension of ", dim);
  dim = stop - start;
  return {shape};
}

Gradients d_slice(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  const int64_t axis = axis_of(builder.program(), operation);
  const int64_t dim = builder.shape(operation.inputs[0]).dims[static_cast<size_t>(axis)];
  const int64_t start = attribute_int(operation, "start"), stop = attribute_int(operation, "stop");
  return {builder.emit("pad", {d_outputs[0]}, {{"axis", axis}, {"before", start}, {"after", dim - stop}})};
}

std::vector<Shape> infer_pad(const Program& program, const Operation& operation) {
  Shape shape = program.shape(operation.inputs[0]);
  const int64_t before = attribute_int(operation, "before"), after = attribute_int(operation, "after");
  check(before >= 0 && after >= 0 && std::max(before, after) <= kMaxElements,
        "[pad] needs before and after of 0 to 2^48, got ", before, " and ", after);
  shape.dims[static_cast<size_t>(axis_of(program, operation))] += before + after;
  return {shape};
}

Gradients d_pad(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  const int64_t axis = axis_of(builder.program(), operation);
  const int64_t dim = builder.shape(operation.inputs[0]).dims[static_cast<size_t>(axis)];
  const int64_t before = attribute_int(operation, "before");
  return {builder.emit("slice", {d_outputs[0]}, {{"axis", axis}, {"start", before}, {"stop", before + dim}})};
}

std::vector<Shape> infer_concat(const Program& program, const Operation& operation) {
  check(!operation.inputs.empty(), "[concat] needs at least one value");
  const size_t axis = static_cast<size_t>(axis_of(program, operation));
  Shape shape = program.shape(operation.inputs[0]);
  for (size_t i = 1; i < operation.inputs.size(); ++i) {
    Shape other = program.shape(operation.inputs[i]);
    check(other.rank() == shape.rank(), "[concat] ranks differ: ", to_string(shape), " and ", to_string(other));
    const int64_t dim = other.dims[axis];
    other.dims[axis] = shape.dims[axis];
    check(other == shape, "[concat] shapes differ beyond axis ", axis, ": ", to_string(shape), " and ",
          to_string(program.shape(operation.inputs[i])));
    shape.dims[axis] += dim;
  }
  return {shape};
}

int simplify_concat(Builder&, const Operation& operation) {
  return operation.inputs.size() == 1 ? operation.inputs[0] : -1;
}

Gradients d_concat(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  const int64_t axis = axis_of(builder.program(), operation);
  Gradients d_inputs;
  int64_t start = 0;
  for (int value : operation.inputs) {
    const int64_t stop = start + builder.shape(value).dims[static_cast<size_t>(axis)];
    d_inputs.push_back(builder.emit("slice", {d_outputs[0]}, {{"axis", axis}, {"start", start}, {"stop", stop}}));
    start = stop;
  }
  return d_inputs;
}

std::vector<Shape> infer_roll(const Program& program, const Operation& operation) {
  const Shape& x = program.shape(operation.inputs[0]);
  attribute_int(operation, "shift");
  check(x.batched && x.dims[0] == 1, "[roll] needs a value with one row for each sample, got ", to_string(x));
  return {x};
}

int simplify_roll(Builder&, const Operation& operation) {
  return attribute_int(operation, "shift") == 0 ? operation.inputs[0] : -1;
}

Gradients d_roll(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  return {builder.emit("roll", {d_outputs[0]}, {{"shift", -attribute_int(operation, "shift")}})};
}

std::vector<Shape> infer_flip(const Program& program, const Operation& operation) {
  axis_of(program, operation);
  return {program.shape(operation.inputs[0])};
}

int simplify_flip(Builder& builder, const Operation& operation) {
  const Operation* before = builder.producer(operation.inputs[0]);
  const bool back = before && before->kind == "flip" && before->attributes == operation.attributes;
  return back ? before->inputs[0] : -1;
}

Gradients d_flip(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  return {builder.emit("flip", {d_outputs[0]}, operation.attributes)};
}

// as_batch: rows of a value without a batch, such as a state that is kept, as samples; from_batch: the other way.
// A batch of another size is refused before anything runs.
std::vector<Shape> infer_as_batch(const Program& program, const Operation& operation) {
  Shape shape = program.shape(operation.inputs[0]);
  check(!shape.batched && shape.rank() > 0, "[as_batch] needs rows without a batch, got ", to_string(shape));
  shape.batched = true;
  shape.dims[0] = 1;
  return {shape};
}

Gradients d_as_batch(Builder& builder, const Operation& operation, const Gradients& d_outputs) {
  return {builder.emit("from_batch", {d_outputs[0]}, {{"size", builder.shape(operation.inputs[0]).dims[0]}})};
}

std::vector<Shape> infer_from_batch(const Program& program, const Operation& operation) {
  Shape shape = program.shape(operation.inputs[0]);
  const int64_t size = attribute_int(operation, "size");
  check(shape.batched && shape.dims[0] == 1, "[from_batch] needs one row for each sample, got ", to_string(shape));
  check(size > 0, "[from_batch] size must be positive, got ", size);
  shape.batched = false;
  shape.dims[0] = size;
  return {shape};
}

Gradients d_from_batch(Builder& builder, const Operation&, const Gradients& d_outputs) {
  return {builder.emit("as_batch", {d_outputs[0]})};
}

std::vector<Shape> infer_pack(const Program& program, const Operation& operation) {
  int64_t size = 0;
  for (int value : operation.inputs) {
    const Shape& shape = program.shape(value);
    check(!shape.batched, "[pack] joins values without a batch, got ", to_string(shape));
    size += padded_size(shape.sample_size());
  }
  check(size > 0, "[pack] needs at least one value");
  return {Shape{false, {size}}};
}

Rule layout_rule(int arity, decltype(Rule::infer) infer, decltype(Rule::gradient) gradient,
                 decltype(Rule::simplify) simplify) {
  Rule rule;
  rule.arity = arity;
  rule.infer = infer;
  rule.gradient = gradient;
  rule.simplify = simplify;
  rule.flops = no_flops;
  return rule;
}

}  // namespace

void add_layout_rules(RuleTable& rules) {
  rules["reshape"] = layout_rule(1, infer_reshape, d_reshape, simplify_reshape);
  rules["reshape"].view = true;
  rules["transpose"] = layout_rule(1, infer_transpose, d_transpose, simplify_transpose);
  rules["slice"] = layout_rule(1, infer_slice, d_slice, nullptr);
  rules["pad"] = layout_rule(1, infer_pad, d_pad, nullptr);
  rules["concat"] = layout_rule(-1, infer_concat, d_concat, simplify_concat);
  rules["roll"] = layout_rule(1, infer_roll, d_roll, simplify_roll);
  rules["roll"].mixes_samples = true;
  rules["flip"] = layout_rule(1, infer_flip, d_flip, simplify_flip);
  rules["as_batch"] = layout_rule(1, infer_as_batch, d_as_batch, nullptr);
  rules["from_batch"] = layout_rule(1, infer_from_batch, d_from_batch, nullptr);
  rules["pack"] = layout_rule(-1, infer_pack, nullptr, nullptr);
  rules["pack"].in_place = true;
}

}  // namespace ganglion
