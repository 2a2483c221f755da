// The memory a program runs in: where each value stands, for the batch at hand.
#pragma once

#include <memory>
#include <vector>

#include "core/buffer.h"
#include "engines/executable.h"
#include "program/memory_plan.h"

namespace ganglion {

// Samples [begin, end) of the batch, which one thread takes through several steps.
struct Range {
  int64_t begin = 0, end = 0;
  int thread = 0;
};

template <class T>
class Memory {
 public:
  Memory(const Program& program, const Buffers& buffers);

  // Plans and allocates for batches of at most `rows`.
  void reserve(int64_t rows);
  int64_t reserved() const { return reserved_; }

  T* at(int value);
  const T* at(int value) const { return const_cast<Memory*>(this)->at(value); }
  // What keeps the memory of a value alive, if that is the arena; null otherwise.
  std::shared_ptr<const void> keeper(int value) const;
  // Whose memory a value stands in.
  int owner(int value) const { return plan_.places[static_cast<size_t>(value)].owner; }
  // Memory from outside: where the first sample stands, and how many elements later the next, 0 where they are
  // contiguous.
  struct Lent {
    T* where = nullptr;
    int64_t sample_stride = 0;
    bool is_far = false;  // out of the caches
  };
  // A value that is its own owner stands there from now on, or, null, in the arena again.
  void lend(int value, const Lent& lent) { lent_[static_cast<size_t>(value)] = lent; }
  bool is_far(int value) const { return lent_[static_cast<size_t>(owner(value))].is_far; }
  // Elements from one sample of a value to the next, 0 where they are contiguous.
  int64_t sample_stride(int value) const {
    const Place& place = plan_.places[static_cast<size_t>(value)];
    const int64_t stride = lent_[static_cast<size_t>(place.owner)].sample_stride;
    return stride > 0 || !place.apart ? stride : program_.shape(place.owner).sample_size();
  }
  struct Announced {
    const T* const* rows = nullptr;
    int64_t count = 0;
  };
  // Rows that input `value` will be filled with after this run.
  void announce(int value, Announced rows) { announced_[static_cast<size_t>(value)] = rows; }
  Announced announced(int value) const { return announced_[static_cast<size_t>(value)]; }
  void set_scalar(int index, double value) { scalars_[static_cast<size_t>(index)] = static_cast<T>(value); }
  // Of all intermediates and of the threads' scratch.
  int64_t elements() const { return plan_.arena + local_.size() + threads_.size(); }

  // Memory for `samples` of what is local, for each thread, which keeps it through the steps of a range. Whether
  // addresses have changed.
  bool require_local(int64_t samples, int threads);
  int local_threads() const { return local_threads_; }
  // Elements of a sample of what holds a value, if that is local, otherwise 0.
  int64_t local_sample(int value) const {
    const Place& place = plan_.places[static_cast<size_t>(value)];
    return place.is_local ? program_.shape(place.apart ? place.owner : value).sample_size() : 0;
  }
  // Elements from where a value stands to where sample 0 of the batch would, had the range a place for all samples.
  int64_t shift(int64_t local_sample, const Range& range) const {
    return local_sample == 0 ? 0 : range.thread * local_size_ - range.begin * local_sample;
  }

  // Scratch memory of each thread, which keeps what it holds while one step runs over a chunk.
  void require_scratch(int64_t size);
  void require_threads(int threads);
  T* thread_scratch(int thread) { return threads_.data() + thread * thread_size_; }

 private:
  void allocate_threads(int threads, int64_t size);

  const Program& program_;
  Buffers buffers_;
  MemoryPlan plan_;
  int64_t reserved_ = 0;
  std::shared_ptr<Buffer<T>> arena_;
  Buffer<T> constants_, threads_, local_;
  std::vector<T> scalars_;
  std::vector<Lent> lent_;            // for each value
  std::vector<Announced> announced_;  // likewise
  int64_t thread_size_ = 0;
  int thread_count_ = 0;
  int64_t local_samples_ = 0, local_size_ = 0;  // of each thread
  int local_threads_ = 0;
};

}  // namespace ganglion
