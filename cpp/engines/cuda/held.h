// A data set on the device, from which each step of a series takes its batch itself, and the outputs of its runs.
#pragma once

#include <vector>

#include "engines/cuda/memory.h"

namespace ganglion::cuda {

template <class T>
class HeldSamples {
 public:
  // Copies the samples to the device; false when they leave too little memory for anything else.
  bool hold(const Samples<T>& samples, const Program& program);
  void let_go() { *this = HeldSamples(); }
  const void* owner() const { return owner_; }
  void set_order(const uint32_t* order);
  bool is_ordered() const { return ordered_; }

  // Before the runs of a series: what each will be told.
  void prepare(const Series& series);
  // As the first part of a step: the batch and the numbers of the run at hand.
  void enqueue_batch(cudaStream_t stream, const Program& program, const Memory<T>& memory, int64_t rows) const;
  // As the last: the outputs are kept, and what the next run needs to know is counted on.
  void enqueue_record(cudaStream_t stream, const Program& program, const Memory<T>& memory, Control* control,
                      int64_t rows) const;
  // Behind the runs.
  void fetch(cudaStream_t stream, int64_t runs);
  const T* output(int64_t run, int index) const {
    return record_now_.data() + run * record_size_ + offsets_[static_cast<size_t>(index)];
  }

 private:
  const void* owner_ = nullptr;
  int64_t rows_ = 0;
  std::vector<DeviceBuffer<T>> inputs_;
  DeviceBuffer<uint32_t> order_;
  PinnedBuffer<uint32_t> order_now_;
  bool ordered_ = false;
  // For each run of a series the scalars, and the outputs one behind the other.
  DeviceBuffer<T> scalars_, record_;
  PinnedBuffer<T> scalars_now_, record_now_;
  int64_t scalar_count_ = 0, record_size_ = 0;
  std::vector<int64_t> offsets_;  // of each output
};

}  // namespace ganglion::cuda
