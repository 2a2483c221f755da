// Windows over images, channels last: (n, height, width, channels) to (n, windows down, windows across, channels).
//
//   max_pool           the largest element of each window, and its place in the window
//   max_pool_gradient  (place, d_out): gives each window's gradient to that element
//   window_sum         the sum of each window
//   window_spread      its transpose: adds each number to all elements of its window
//
// Attributes, each down and across: window, strides, before and after (elements of the outermost windows that lie
// outside the image, and count for nothing); of the ways back also size, of the image.
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

// A place is a number like any other: in float32 whole up to here.
constexpr int64_t kMostPlaces = 1 << 24;

// Down (0) or across (1).
int64_t setting(const Operation& operation, const char* name, size_t axis) {
  const std::vector<int64_t>& both = attribute_list(operation, name);
  check(both.size() == 2, "[", operation.kind, "] ", name, " must be two numbers, got ", both.size());
  return both[axis];
}

int64_t window_count(const Operation& operation, int64_t size, size_t axis) {
  const int64_t window = setting(operation, "window", axis), stride = setting(operation, "strides", axis);
  const int64_t before = setting(operation, "before", axis), after = setting(operation, "after", axis);
  check(window > 0 && stride > 0 && before >= 0 && after >= 0 && before < window && after < window, "[", operation.kind,
        "] needs a window and strides of at least 1, and less than a window outside the image, got a window of ",
        window, ", strides of ", stride, ", ", before, " before and ", after, " after");
  check(window <= kMaxElements && size <= kMaxElements, "[", operation.kind, "] a window of ", window,
        " or an image of size ", size, " is too large");
  check(size + before + after >= window, "[", operation.kind, "] a window of ", window,
        " is larger than an image of size ", size + before + after, " along that axis");
  return (size + before + after - window) / stride + 1;
}

void check_images(const Operation& operation, const Shape& x) {
  check(x.rank() == 4, "[", operation.kind, "] needs images (n, height, width, channels), got ", to_string(x));
}

// The shape of the windows over images of shape x.
Shape over(const Operation& operation, Shape x) {
  check_images(operation, x);
  for (size_t axis = 0; axis < 2; ++axis) x.dims[axis + 1] = window_count(operation, x.dims[axis + 1], axis);
  return x;
}

std::vector<Shape> infer_sum(const Program& program, const Operation& operation) {
  return {over(operation, program.shape(operation.inputs[0]))};
}

std::vector<Shape> infer_max(const Program& program, const Operation& operation) {
  const Shape out = over(operation, program.shape(operation.inputs[0]));
  check(setting(operation, "window", 0) <= kMostPlaces / setting(operation, "window", 1), "[", operation.kind,
        "] a window can have ", kMostPlaces, " elements, got ", setting(operation, "window", 0), " x ",
        setting(operation, "window", 1));
  return {out, out};
}

std::vector<Shape> infer_spread(const Program& program, const Operation& operation) {
  const Shape& windows = program.shape(operation.inputs[0]);
  for (int value : operation.inputs) {
    check(program.shape(value) == windows, "[", operation.kind, "] shapes differ: ", to_string(windows), " and ",
          to_string(program.shape(value)));
  }
  check_images(operation, windows);
  Shape image = windows;
  for (size_t axis = 0; axis < 2; ++axis) image.dims[axis + 1] = setting(operation, "size", axis);
  check(over(operation, image) == windows, "[", operation.kind, "] windows over images ", to_string(image), " give ",
        to_string(over(operation, image)), ", got ", to_string(windows));
  return {image};
}

// The attributes of the way back to images of the shape of x.
Attributes back(const Operation& operation, const Shape& x) {
  Attributes attributes = operation.attributes;
  attributes["size"] = std::vector<int64_t>{x.dims[1], x.dims[2]};
  return attributes;
}

// The place is a step function of x: through it passes no gradient.
std::vector<int> d_max(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  if (d_outputs[0] < 0) return {-1};
  const Attributes attributes = back(operation, builder.shape(operation.inputs[0]));
  return {builder.emit("max_pool_gradient", {operation.outputs[1], d_outputs[0]}, attributes)};
}

// What stands in images x at the places within windows: of each window one element of x.
int at_places(Builder& builder, const Operation& operation, int place, int x) {
  const Shape windows = builder.shape(place);
  for (int64_t axis = 0; axis < 2; ++axis) {
    const int64_t before = setting(operation, "before", static_cast<size_t>(axis));
    const int64_t after = setting(operation, "after", static_cast<size_t>(axis));
    if (before || after) x = builder.emit("pad", {x}, {{"axis", axis + 1}, {"before", before}, {"after", after}});
  }
  const int64_t down = setting(operation, "window", 0), across = setting(operation, "window", 1);
  const std::vector<int64_t> strides = attribute_list(operation, "strides"), one{1, 1}, none{0, 0};
  const int zero = builder.constant(0.0);
  int found = -1;
  for (int64_t tap = 0; tap < down * across; ++tap) {
    int element = x;  // of that tap in each window
    for (int64_t axis = 0; axis < 2; ++axis) {
      const int64_t start = axis == 0 ? tap / across : tap % across;
      const size_t dim = static_cast<size_t>(axis);
      const int64_t stop = start + (windows.dims[dim + 1] - 1) * strides[dim] + 1;
      element = builder.emit("slice", {element}, {{"axis", axis + 1}, {"start", start}, {"stop", stop}});
    }
    if (strides != one) {
      element = builder.emit("window_sum", {element},
                             {{"window", one}, {"strides", strides}, {"before", none}, {"after", none}});
    }
    const int here = builder.emit("equal", {place, builder.constant(static_cast<double>(tap))});
    element = builder.emit("where", {here, element, zero});
    found = found < 0 ? element : builder.add(found, element);
  }
  return found;
}

std::vector<int> d_max_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {-1, at_places(builder, operation, operation.inputs[0], d_outputs[0])};
}

std::vector<int> d_sum(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {builder.emit("window_spread", d_outputs, back(operation, builder.shape(operation.inputs[0])))};
}

std::vector<int> d_spread(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  Attributes attributes = operation.attributes;
  attributes.erase("size");
  return {builder.emit("window_sum", d_outputs, attributes)};
}

// One for each element of each window, and the epilogue.
int64_t window_flops(const Program& program, const Operation& operation, int64_t rows) {
  const bool back = operation.attributes.count("size") != 0;
  const int64_t windows = program.shape(back ? operation.inputs[0] : operation.outputs[0]).size(rows);
  return windows * setting(operation, "window", 0) * setting(operation, "window", 1) + epilogue_flops(operation, rows);
}

Rule pooling_rule(int arity, decltype(Rule::infer) infer, decltype(Rule::gradient) gradient) {
  Rule rule;
  rule.arity = arity;
  rule.infer = infer;
  rule.gradient = gradient;
  rule.flops = window_flops;
  return rule;
}

}  // namespace

void add_pooling_rules(RuleTable& rules) {
  rules["max_pool"] = pooling_rule(1, infer_max, d_max);
  rules["max_pool_gradient"] = pooling_rule(2, infer_spread, d_max_gradient);
  rules["max_pool_gradient"].takes_epilogue = true;
  rules["window_sum"] = pooling_rule(1, infer_sum, d_sum);
  rules["window_sum"].takes_epilogue = true;
  rules["window_spread"] = pooling_rule(1, infer_spread, d_spread);
  rules["window_spread"].takes_epilogue = true;
}

}  // namespace ganglion
