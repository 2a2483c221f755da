// A value read through the strides that broadcasting, a transpose or a slice give it, in the flat order of the shape it
// is read at.
#pragma once

#include <vector>

#include "core/error.h"
#include "core/shape.h"
#include "engines/cuda/kernel.h"

namespace ganglion::cuda {

enum class Access : int32_t { contiguous, single, strided };

template <class T, int kMostAxes>
struct View {
  T* data;
  Access access;
  int32_t axes;
  uint32_t extents[kMostAxes];
  int64_t strides[kMostAxes];  // elements; 0 repeats

  GANGLION_DEVICE int64_t offset(int64_t index) const {
    if (access == Access::contiguous) return index;
    if (access == Access::single) return 0;
    int64_t offset = 0;
    if (index <= INT32_MAX) {  // divisions of 32 bits are far cheaper
      uint32_t rest = static_cast<uint32_t>(index);
      for (int axis = axes - 1; axis > 0; --axis) {
        const uint32_t above = rest / extents[axis];
        offset += static_cast<int64_t>(rest - above * extents[axis]) * strides[axis];
        rest = above;
      }
      return offset + static_cast<int64_t>(rest) * strides[0];
    }
    for (int axis = axes - 1; axis > 0; --axis) {
      const int64_t above = index / extents[axis];
      offset += (index - above * extents[axis]) * strides[axis];
      index = above;
    }
    return offset + index * strides[0];
  }
};

// Neighbouring axes are joined where they can be.
template <class T, int kMostAxes>
View<T, kMostAxes> make_view(T* data, const std::vector<int64_t>& extents, const std::vector<int64_t>& strides) {
  std::vector<int64_t> sizes, steps;
  for (size_t axis = 0; axis < extents.size(); ++axis) {
    if (extents[axis] == 1) continue;
    if (!sizes.empty() && steps.back() == strides[axis] * extents[axis]) {
      sizes.back() *= extents[axis];
      steps.back() = strides[axis];
    } else {
      sizes.push_back(extents[axis]);
      steps.push_back(strides[axis]);
    }
  }
  View<T, kMostAxes> view{};
  view.data = data;
  view.axes = static_cast<int32_t>(sizes.size());
  check(view.axes <= kMostAxes, "[cuda] a value that is read along ", view.axes, " axes, more than ", kMostAxes);
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    // Only the outermost may be longer, which nothing divides by.
    check(axis == 0 || sizes[axis] <= UINT32_MAX, "[cuda] a value with an axis of ", sizes[axis], " is too large");
    view.extents[axis] = static_cast<uint32_t>(sizes[axis]);
    view.strides[axis] = steps[axis];
  }
  view.access = view.axes == 0 || (view.axes == 1 && steps[0] == 1) ? Access::contiguous
                : view.axes == 1 && steps[0] == 0                   ? Access::single
                                                                    : Access::strided;
  return view;
}

}  // namespace ganglion::cuda
