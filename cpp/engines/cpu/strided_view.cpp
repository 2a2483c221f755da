#include "engines/cpu/strided_view.h"

#include <algorithm>
#include <cstring>

namespace ganglion {

namespace {

constexpr int kMaxAxes = 16;

}  // namespace

StridedView::StridedView(const std::vector<int64_t>& extents, const std::vector<int64_t>& strides) {
  for (size_t axis = 0; axis < extents.size(); ++axis) {
    if (extents[axis] == 1) continue;
    if (!extents_.empty() && strides_.back() == strides[axis] * extents[axis]) {
      extents_.back() *= extents[axis];
      strides_.back() = strides[axis];
    } else {
      extents_.push_back(extents[axis]);
      strides_.push_back(strides[axis]);
    }
  }
}

std::vector<int64_t> broadcast_strides(const Shape& from, const Shape& shape, int64_t rows, int64_t sample_stride) {
  std::vector<int64_t> strides(static_cast<size_t>(shape.rank()), 0);
  int64_t stride = 1;
  for (int axis = from.rank() - 1; axis >= 0; --axis) {
    const int64_t extent = from.extent(axis, rows);
    strides[static_cast<size_t>(axis + shape.rank() - from.rank())] = extent == 1 ? 0 : stride;
    stride *= extent;
  }
  if (from.batched && sample_stride > 0 && strides[0] > 0) strides[0] = sample_stride;
  return strides;
}

StridedView StridedView::broadcast(const Shape& from, const Shape& shape, int64_t rows, int64_t sample_stride) {
  std::vector<int64_t> extents;
  for (int axis = 0; axis < shape.rank(); ++axis) extents.push_back(shape.extent(axis, rows));
  return StridedView(extents, broadcast_strides(from, shape, rows, sample_stride));
}

template <class T>
void StridedView::read(T* out, const T* data, int64_t begin, int64_t count) const {
  if (extents_.empty()) {
    std::fill_n(out, count, data[0]);
    return;
  }
  const int last = static_cast<int>(extents_.size()) - 1;
  int64_t index[kMaxAxes];
  int64_t rest = begin, offset = 0;
  for (int axis = last; axis >= 0; --axis) {
    const size_t at = static_cast<size_t>(axis);
    index[axis] = rest % extents_[at];
    rest /= extents_[at];
    offset += index[axis] * strides_[at];
  }
  const int64_t inner = extents_.back(), stride = strides_.back();
  while (count > 0) {
    const int64_t run = std::min(count, inner - index[last]);
    if (stride == 0) {
      std::fill_n(out, run, data[offset]);
    } else if (stride == 1) {
      std::memcpy(out, data + offset, static_cast<size_t>(run) * sizeof(T));
    } else {
      for (int64_t i = 0; i < run; ++i) out[i] = data[offset + i * stride];
    }
    out += run;
    count -= run;
    offset -= index[last] * stride;
    index[last] = 0;
    for (int axis = last - 1; axis >= 0; --axis) {
      const size_t at = static_cast<size_t>(axis);
      offset += strides_[at];
      if (++index[axis] < extents_[at]) break;
      offset -= extents_[at] * strides_[at];
      index[axis] = 0;
    }
  }
}

template void StridedView::read(float*, const float*, int64_t, int64_t) const;
template void StridedView::read(double*, const double*, int64_t, int64_t) const;

}  // namespace ganglion
