// resample: images read anew at the places that a matrix gives; resample_gradient: what it adds to where. Both are
// linear in the image, and each is the other's transpose.
//
// Pixel (x, y) of the result is read at (a0 x + a1 y + a2, b0 x + b1 y + b2) for a sample's matrix of six numbers
// a0 a1 a2 b0 b1 b2. There is no gradient with respect to the matrix.
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

constexpr int64_t kFillModes = 4, kInterpolations = 2;

// The result of (image, matrix), (height, width) of which is an attribute.
std::vector<Shape> infer_resample(const Program& program, const Operation& operation) {
  const Shape& image = program.shape(operation.inputs[0]);
  const Shape& matrix = program.shape(operation.inputs[1]);
  const std::string& kind = operation.kind;
  check(image.batched && image.rank() == 4, "[", kind, "] needs images (None, height, width, channels), got ",
        to_string(image));
  check(matrix == (Shape{true, {image.dims[0], 6}}), "[", kind, "] needs a matrix of 6 numbers for each image, got ",
        to_string(matrix), " for ", to_string(image));
  const int64_t fill_mode = attribute_int(operation, "fill_mode");
  const int64_t interpolation = attribute_int(operation, "interpolation");
  check(fill_mode >= 0 && fill_mode < kFillModes && interpolation >= 0 && interpolation < kInterpolations, "[", kind,
        "] fill_mode ", fill_mode, " or interpolation ", interpolation, " is not known");
  const std::vector<int64_t>& size = attribute_list(operation, "size");
  check(size.size() == 2 && size[0] > 0 && size[1] > 0, "[", kind, "] size must be a height and a width");
  const Shape result{true, {image.dims[0], size[0], size[1], image.dims[3]}};
  check(image.sample_size() <= INT32_MAX && result.sample_size() <= INT32_MAX, "[", kind, "] an image of ",
        to_string(image), " is too large");
  return {result};
}

int transposed(Builder& builder, const Operation& operation, const char* kind, int d_output) {
  const Shape image = builder.shape(operation.inputs[0]);
  Attributes attributes = operation.attributes;
  attributes["size"] = std::vector<int64_t>{image.dims[1], image.dims[2]};
  return builder.emit(kind, {d_output, operation.inputs[1]}, attributes);
}

std::vector<int> d_resample(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {transposed(builder, operation, "resample_gradient", d_outputs[0]), kUnknownGradient};
}

std::vector<int> d_resample_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {transposed(builder, operation, "resample", d_outputs[0]), kUnknownGradient};
}

// Four taps a pixel, or one.
int64_t resampling_flops(const Program& program, const Operation& operation, int64_t rows) {
  const bool forward = operation.kind == "resample";
  const Shape& pixels = program.shape(forward ? operation.outputs[0] : operation.inputs[0]);
  return (attribute_int(operation, "interpolation") == 1 ? 8 : 2) * pixels.size(rows);
}

}  // namespace

void add_resampling_rules(RuleTable& rules) {
  Rule rule;
  rule.arity = 2;
  rule.infer = infer_resample;
  rule.gradient = d_resample;
  rule.flops = resampling_flops;
  rules["resample"] = rule;
  rule.gradient = d_resample_gradient;
  rules["resample_gradient"] = rule;
}

}  // namespace ganglion
