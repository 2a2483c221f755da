// The memory of the device that a program runs in: where each value stands, for the batch at hand.
#pragma once

#include <memory>
#include <vector>

#include "engines/cuda/device.h"
#include "engines/executable.h"
#include "program/memory_plan.h"

namespace ganglion::cuda {

template <class T>
class Memory {
 public:
  Memory(const Program& program, const Buffers& buffers);

  // Plans and allocates for batches of at most `rows`.
  void reserve(int64_t rows);
  int64_t reserved() const { return reserved_; }

  T* at(int value) const;
  // Elements from one sample of a value to the next, 0 where they are contiguous.
  int64_t sample_stride(int value) const;
  // An input stands there from now on, contiguous.
  void lend(int value, T* where) { lent_[static_cast<size_t>(value)] = where; }

  // Memory for one step at a time.
  void require_scratch(int64_t elements) {
    if (elements > scratch_elements_) scratch_elements_ = elements;
  }
  // When all steps have said what they need; whether anything has moved since.
  bool allocate_scratch() {
    const bool moved = scratch_.require(scratch_elements_) || has_moved_;
    has_moved_ = false;
    return moved;
  }
  // A step has moved memory of its own.
  void note_move() { has_moved_ = true; }
  T* scratch() const { return scratch_.data(); }

  T* scalars() const { return scalars_.data(); }
  Mirror* parameters() const { return parameters_.get(); }
  Mirror* states() const { return states_.get(); }
  int64_t elements() const { return arena_.size() + local_.size() + scratch_.size(); }

  // What kernels read of the run. A loop's body has that of the program around it.
  const Control* control = nullptr;

 private:
  const Program& program_;
  std::shared_ptr<Mirror> parameters_, states_;
  MemoryPlan plan_;
  int64_t reserved_ = 0, local_samples_ = 0, scratch_elements_ = 0;
  DeviceBuffer<T> arena_, local_, constants_, scalars_, scratch_;
  std::vector<T*> lent_;  // for each value
  bool has_moved_ = false;
};

}  // namespace ganglion::cuda
