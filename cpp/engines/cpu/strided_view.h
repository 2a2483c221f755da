// Reads a value through the strides that broadcasting, a transpose or a slice give it, in the flat order of
// the shape it is read at.
#pragma once

#include <cstdint>
#include <vector>

#include "core/shape.h"

namespace ganglion {

// The stride, in elements, of each axis of `shape` at which a value broadcast to it is read; 0 repeats. The samples of
// the value are `sample_stride` elements apart, or contiguous where that is 0.
std::vector<int64_t> broadcast_strides(const Shape& from, const Shape& shape, int64_t rows, int64_t sample_stride);

class StridedView {
 public:
  // extents and strides (elements) of the shape it is read at; a stride of 0 repeats.
  StridedView(const std::vector<int64_t>& extents, const std::vector<int64_t>& strides);
  // A value broadcast to `shape`.
  static StridedView broadcast(const Shape& from, const Shape& shape, int64_t rows, int64_t sample_stride);

  bool contiguous() const { return extents_.empty() || (extents_.size() == 1 && strides_[0] == 1); }
  bool single() const { return extents_.size() == 1 && strides_[0] == 0; }
  // Elements after which a contiguous value repeats as a whole, 0 if it is read otherwise.
  int64_t period() const { return extents_.size() == 2 && strides_[0] == 0 && strides_[1] == 1 ? extents_[1] : 0; }

  // out[i] = element begin + i.
  template <class T>
  void read(T* out, const T* data, int64_t begin, int64_t count) const;

 private:
  std::vector<int64_t> extents_, strides_;  // neighbouring axes joined where they can be
};

}  // namespace ganglion
