// Feeds a run with samples of the user's arrays.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "engines/executable.h"
#include "training/batches.h"

namespace ganglion {

// Fills an executable's inputs from the user's arrays.
template <class T>
class Gathering {
 public:
  // `checked`: numbers that are not finite are noticed.
  Gathering(Executable<T>& executable, const std::vector<Source>& inputs, bool checked = false)
      : executable_(executable), inputs_(inputs), checked_(checked) {}

  bool found_not_finite() const { return found_.load(std::memory_order_relaxed); }

  // Samples `rows[0 ... count)`, or first, first + 1, ... when `rows` is null; each time a run asks. Behind them stand
  // the `ahead` rows of the batch that follows.
  const Feed* from(const int64_t* rows, int64_t first, int64_t count, int64_t ahead) {
    rows_ = rows;
    first_ = first;
    next_ = rows ? rows + count : nullptr;
    ahead_ = ahead;
    for (size_t index = 0; index < inputs_.size(); ++index) {
      if (!inputs_[index].batched()) inputs_[index].gather(executable_.input(static_cast<int>(index)), nullptr, 0, 1);
    }
    return &feed_;
  }

 private:
  void fill(int64_t begin, int64_t end) {
    for (size_t index = 0; index < inputs_.size(); ++index) {
      const Source& input = inputs_[index];
      if (!input.batched()) continue;
      T* const out = executable_.input(static_cast<int>(index)) + begin * input.sample_size();
      input.gather(out, rows_ ? rows_ + begin : nullptr, first_ + begin, end - begin);
      if (checked_ &&
          !kernels<T>().all_within(out, (end - begin) * input.sample_size(), std::numeric_limits<T>::max())) {
        found_.store(true, std::memory_order_relaxed);
      }
      if (next_ && begin < ahead_) input.prefetch(next_ + begin, std::min(end, ahead_) - begin);
    }
  }

  Executable<T>& executable_;
  const std::vector<Source>& inputs_;
  const bool checked_;
  std::atomic<bool> found_{false};
  const int64_t* rows_ = nullptr;
  const int64_t* next_ = nullptr;
  int64_t first_ = 0, ahead_ = 0;
  Feed feed_{[](void* context, int64_t begin, int64_t end) { static_cast<Gathering*>(context)->fill(begin, end); },
             this};
};

}  // namespace ganglion
