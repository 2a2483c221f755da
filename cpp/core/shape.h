// The shape of a value. A batched value holds `rows` samples, known only at run time: its first
// dimension is rows * dims[0]. So (None, 784) is {batched, {1, 784}}, and the same value folded for a
// product over 28 time steps, (None * 28, 32), is {batched, {28, 32}}.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ganglion {

constexpr int kMaxRank = 16;
// Elements of one value, and of one buffer, at most; sizes up to it do not overflow.
constexpr int64_t kMaxElements = int64_t{1} << 48;

struct Shape {
  bool batched = false;
  std::vector<int64_t> dims;

  int rank() const { return static_cast<int>(dims.size()); }
  // Elements of one sample (of the whole value when not batched).
  int64_t sample_size() const {
    int64_t size = 1;
    for (int64_t dim : dims) size *= dim;
    return size;
  }
  int64_t size(int64_t rows) const { return batched ? rows * sample_size() : sample_size(); }
  // Extent of one dimension for a batch of `rows`.
  int64_t extent(int axis, int64_t rows) const {
    return axis == 0 && batched ? rows * dims[0] : dims[static_cast<size_t>(axis)];
  }
  bool operator==(const Shape& other) const { return batched == other.batched && dims == other.dims; }
  bool operator!=(const Shape& other) const { return !(*this == other); }
};

// Weights, gradients and optimizer slots stand in flat buffers, each at a multiple of 16 elements.
inline int64_t padded_size(int64_t size) { return (size + 15) / 16 * 16; }

// Whether a shape has at most kMaxRank dimensions, all positive, and at most kMaxElements elements a sample.
inline bool is_valid(const Shape& shape) {
  int64_t size = 1;
  for (int64_t dim : shape.dims) {
    if (dim <= 0 || dim > kMaxElements / size) return false;
    size *= dim;
  }
  return shape.rank() <= kMaxRank;
}

// "(None, 784)", "(None*28, 32)", "()"
inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const int64_t dim = shape.dims[static_cast<size_t>(axis)];
    if (axis) text += ", ";
    if (axis == 0 && shape.batched) {
      text += dim == 1 ? "None" : "None*" + std::to_string(dim);
    } else {
      text += std::to_string(dim);
    }
  }
  return text + (shape.rank() == 1 ? ",)" : ")");
}

}  // namespace ganglion
