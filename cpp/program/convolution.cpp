// Convolutions over two axes, channels last, and their two gradients. y is linear in x and in the weights, so the
// gradients of each of the three are the other two:
//
//   convolution                  x (n, h, w, c), weights (kh, kw, c / groups, f) -> y (n, oh, ow, f)
//   convolution_input_gradient   y, weights -> x; transposed convolution
//   convolution_weight_gradient  x, y -> weights
//
// Attributes: strides and dilation (rows, columns), padding (top, bottom, left, right), groups; and `size`, the rows
// and columns of what cannot be told from the operands, x or the weights.
#include "program/convolution.h"

#include <algorithm>

#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

const char* const kForward = "convolution";
const char* const kInputGradient = "convolution_input_gradient";
const char* const kWeightGradient = "convolution_weight_gradient";

const std::vector<int64_t>& attribute_pair(const Operation& operation, const char* name) {
  const std::vector<int64_t>& pair = attribute_list(operation, name);
  check(pair.size() == 2 && pair[0] > 0 && pair[1] > 0, "[", operation.kind, "] ", name,
        " must be two positive numbers");
  return pair;
}

ConvolutionAxis axis_of(const Operation& operation, size_t axis, int64_t input, int64_t kernel) {
  const int64_t stride = attribute_pair(operation, "strides")[axis];
  const int64_t dilation = attribute_pair(operation, "dilation")[axis];
  const std::vector<int64_t>& padding = attribute_list(operation, "padding");
  check(padding.size() == 4 && padding[2 * axis] >= 0 && padding[2 * axis + 1] >= 0, "[", operation.kind,
        "] padding must be four numbers that are not negative");
  const int64_t longest = std::max({input, padding[2 * axis], padding[2 * axis + 1]});
  check(longest <= kMaxElements && kernel - 1 <= kMaxElements / dilation, "[", operation.kind, "] an input of ", input,
        " with padding of ", padding[2 * axis], " and ", padding[2 * axis + 1], ", or a kernel of ", kernel, ", ",
        dilation, " apart, is too large");
  const int64_t reach = (kernel - 1) * dilation + 1, padded = input + padding[2 * axis] + padding[2 * axis + 1];
  check(padded >= reach, "[", operation.kind, "] an input of ", input, axis == 0 ? " rows, " : " columns, ", padded,
        " with its padding, is smaller than the kernel, which spans ", reach);
  // Longer strides lead nowhere.
  return {input, kernel, (padded - reach) / stride + 1, std::min(stride, padded), padding[2 * axis], dilation};
}

const Shape& shape_of(const Program& program, const Operation& operation, size_t index) {
  const Shape& shape = program.shape(operation.inputs[index]);
  check(shape.rank() == 4, "[", operation.kind, "] needs operands of four axes, got ", to_string(shape));
  return shape;
}

// What is given of y must be what the other sizes lead to.
void check_result(const Operation& operation, const ConvolutionSizes& sizes, const Shape& y) {
  check(y.dims[1] == sizes.rows.output && y.dims[2] == sizes.columns.output && y.dims[3] == sizes.filters, "[",
        operation.kind, "] the sizes lead to a result of ", sizes.rows.output, " x ", sizes.columns.output, " x ",
        sizes.filters, ", not ", to_string(y));
}

Shape with_batch(const Shape& of, int64_t rows, int64_t columns, int64_t channels) {
  return {of.batched, {of.dims[0], rows, columns, channels}};
}

std::vector<Shape> infer_forward(const Program& program, const Operation& operation) {
  const ConvolutionSizes sizes = convolution_sizes(program, operation);
  return {with_batch(shape_of(program, operation, 0), sizes.rows.output, sizes.columns.output, sizes.filters)};
}

std::vector<Shape> infer_input_gradient(const Program& program, const Operation& operation) {
  const ConvolutionSizes sizes = convolution_sizes(program, operation);
  return {with_batch(shape_of(program, operation, 0), sizes.rows.input, sizes.columns.input, sizes.channels)};
}

std::vector<Shape> infer_weight_gradient(const Program& program, const Operation& operation) {
  const ConvolutionSizes sizes = convolution_sizes(program, operation);
  return {Shape{false, {sizes.rows.kernel, sizes.columns.kernel, sizes.group_channels(), sizes.filters}}};
}

// The same settings for another of the three, with the size of `of` where that needs one.
int emit_like(Builder& builder, const Operation& operation, const char* kind, int a, int b, const Shape* of = nullptr,
              size_t first = 0) {
  Attributes attributes = operation.attributes;
  attributes.erase("size");
  if (of) attributes["size"] = std::vector<int64_t>{of->dims[first], of->dims[first + 1]};
  return builder.emit(kind, {a, b}, attributes);
}

std::vector<int> d_forward(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int x = operation.inputs[0], weights = operation.inputs[1], g = d_outputs[0];
  const Shape x_shape = builder.shape(x), weights_shape = builder.shape(weights);
  return {emit_like(builder, operation, kInputGradient, g, weights, &x_shape, 1),
          emit_like(builder, operation, kWeightGradient, x, g, &weights_shape)};
}

std::vector<int> d_input_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int y = operation.inputs[0], weights = operation.inputs[1], g = d_outputs[0];
  const Shape weights_shape = builder.shape(weights);
  return {emit_like(builder, operation, kForward, g, weights),
          emit_like(builder, operation, kWeightGradient, g, y, &weights_shape)};
}

std::vector<int> d_weight_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int x = operation.inputs[0], y = operation.inputs[1], g = d_outputs[0];
  const Shape x_shape = builder.shape(x);
  return {emit_like(builder, operation, kInputGradient, y, g, &x_shape, 1),
          emit_like(builder, operation, kForward, x, g)};
}

int64_t flops(const Program& program, const Operation& operation, int64_t rows) {
  const ConvolutionSizes sizes = convolution_sizes(program, operation);
  const int64_t images = program.shape(operation.inputs[0]).extent(0, rows);
  return 2 * images * sizes.result() * sizes.taps() * sizes.group_channels() + epilogue_flops(operation, rows);
}

Rule rule_of(decltype(Rule::infer) infer, decltype(Rule::gradient) gradient) {
  Rule rule;
  rule.arity = 2;
  rule.infer = infer;
  rule.gradient = gradient;
  rule.flops = flops;
  rule.takes_epilogue = true;
  return rule;
}

}  // namespace

ConvolutionSizes convolution_sizes(const Program& program, const Operation& operation) {
  const Shape& first = shape_of(program, operation, 0);
  const Shape& second = shape_of(program, operation, 1);
  const std::string& kind = operation.kind;
  ConvolutionSizes sizes{};
  sizes.groups = attribute_int(operation, "groups");
  check(sizes.groups > 0, "[", kind, "] groups must be positive, got ", sizes.groups);
  if (kind == kWeightGradient) {
    const std::vector<int64_t>& kernel = attribute_pair(operation, "size");
    check(first.batched == second.batched && first.dims[0] == second.dims[0], "[", kind,
          "] the batches differ: ", to_string(first), " and ", to_string(second));
    sizes.channels = first.dims[3];
    sizes.filters = second.dims[3];
    sizes.rows = axis_of(operation, 0, first.dims[1], kernel[0]);
    sizes.columns = axis_of(operation, 1, first.dims[2], kernel[1]);
    check_result(operation, sizes, second);
  } else {
    check(!second.batched, "[", kind, "] the weights cannot have the batch, got ", to_string(second));
    const bool forward = kind == kForward;
    const int64_t rows = forward ? first.dims[1] : attribute_pair(operation, "size")[0];
    const int64_t columns = forward ? first.dims[2] : attribute_pair(operation, "size")[1];
    sizes.channels = forward ? first.dims[3] : second.dims[2] * sizes.groups;
    sizes.filters = second.dims[3];
    check(second.dims[2] * sizes.groups == sizes.channels, "[", kind, "] weights of shape ", to_string(second),
          " do not fit ", sizes.channels, " channels in ", sizes.groups, " groups");
    sizes.rows = axis_of(operation, 0, rows, second.dims[0]);
    sizes.columns = axis_of(operation, 1, columns, second.dims[1]);
    if (!forward) check_result(operation, sizes, first);
  }
  check(sizes.channels % sizes.groups == 0 && sizes.filters % sizes.groups == 0, "[", kind, "] ", sizes.channels,
        " channels and ", sizes.filters, " filters cannot be parted into ", sizes.groups, " groups");
  const Shape read{false,
                   {sizes.rows.reach(sizes.rows.output), sizes.columns.reach(sizes.columns.output),
                    std::max(sizes.channels, sizes.filters)}};
  check(is_valid(read), "[", kind, "] images of ", to_string(read), ", with what surrounds them, are too large");
  return sizes;
}

void add_convolution_rules(RuleTable& rules) {
  rules[kForward] = rule_of(infer_forward, d_forward);
  rules[kInputGradient] = rule_of(infer_input_gradient, d_input_gradient);
  rules[kWeightGradient] = rule_of(infer_weight_gradient, d_weight_gradient);
}

}  // namespace ganglion
