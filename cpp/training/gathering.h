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

// Fills an executable's inputs from the user's arrays, or lends it the arrays themselves.
template <class T>
class Gathering {
 public:
  // `checked`: numbers that are not finite are noticed.
  Gathering(Executable<T>& executable, const std::vector<Source>& inputs, bool checked = false)
      : executable_(executable), inputs_(inputs), checked_(checked), lent_(inputs.size()) {}
  Gathering(const Gathering&) = delete;
  Gathering& operator=(const Gathering&) = delete;
  ~Gathering() {
    for (size_t index = 0; index < lent_.size(); ++index) lend(index, nullptr);
  }

  bool found_not_finite() const { return found_.load(std::memory_order_relaxed); }

  // Samples `rows[0 ... count)`, or first, first + 1, ... when `rows` is null; each time a run asks. Behind them stand
  // the `ahead` rows of the batch that follows.
  const Feed* from(const int64_t* rows, int64_t first, int64_t count, int64_t ahead) {
    rows_ = rows;
    first_ = first;
    next_ = rows ? rows + count : nullptr;
    ahead_ = ahead;
    for (size_t index = 0; index < inputs_.size(); ++index) {
      const Source& input = inputs_[index];
      if (!input.batched()) {
        input.gather(executable_.input(static_cast<int>(index)), nullptr, 0, 1);
      } else if (!rows && count * input.sample_size() * static_cast<int64_t>(sizeof(T)) >= kLentBytes) {
        const T* const samples = input.in_place<T>();
        lend(index, samples ? samples + first * input.sample_size() : nullptr);
      } else {
        lend(index, nullptr);
      }
    }
    return &feed_;
  }

 private:
  // From here on reading an array in place pays for telling the steps where it is.
  static constexpr int64_t kLentBytes = 64 << 10;

  void lend(size_t index, const T* samples) {
    if (lent_[index] == samples) return;
    executable_.lend_input(static_cast<int>(index), samples);
    lent_[index] = samples;
  }

  void fill(int64_t begin, int64_t end) {
    for (size_t index = 0; index < inputs_.size(); ++index) {
      const Source& input = inputs_[index];
      if (!input.batched() || lent_[index]) continue;
      input.gather(executable_.input(static_cast<int>(index)) + begin * input.sample_size(),
                   rows_ ? rows_ + begin : nullptr, first_ + begin, end - begin);
      if (next_ && begin < ahead_) input.prefetch(next_ + begin, std::min(end, ahead_) - begin);
    }
  }

  void inspect(int64_t begin, int64_t end) {
    if (!checked_) return;
    for (size_t index = 0; index < inputs_.size(); ++index) {
      const int64_t sample = inputs_[index].sample_size();
      const T* const samples = executable_.input(static_cast<int>(index)) + begin * sample;
      if (inputs_[index].batched() &&
          !kernels<T>().all_within(samples, (end - begin) * sample, std::numeric_limits<T>::max())) {
        found_.store(true, std::memory_order_relaxed);
      }
    }
  }

  Executable<T>& executable_;
  const std::vector<Source>& inputs_;
  const bool checked_;
  std::vector<const T*> lent_;  // for each input; null: it is gathered
  std::atomic<bool> found_{false};
  const int64_t* rows_ = nullptr;
  const int64_t* next_ = nullptr;
  int64_t first_ = 0, ahead_ = 0;
  Feed feed_{[](void* context, int64_t begin, int64_t end) { static_cast<Gathering*>(context)->fill(begin, end); },
             [](void* context, int64_t begin, int64_t end) { static_cast<Gathering*>(context)->inspect(begin, end); },
             this};
};

}  // namespace ganglion
