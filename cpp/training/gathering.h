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
  Gathering(Executable<T>& executable, std::vector<Source>& inputs, bool checked = false)
      : executable_(executable), inputs_(inputs), checked_(checked), lent_(inputs.size()), announced_(inputs.size()) {}
  Gathering(const Gathering&) = delete;
  Gathering& operator=(const Gathering&) = delete;
  ~Gathering() {
    for (size_t index = 0; index < inputs_.size(); ++index) {
      lend(index, nullptr);
      executable_.announce_input(static_cast<int>(index), nullptr, 0);
    }
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
      Source& input = inputs_[index];
      input.await_batch(first, count);
      if (!input.batched()) {
        input.gather(executable_.input(static_cast<int>(index)), nullptr, 0, 1);
      } else if (rows) {
        announce(index);
      } else {
        lend(index, samples_to_lend(input, count));
      }
    }
    return &feed_;
  }

 private:
  // From here on reading an array in place pays for telling the steps where it is.
  static constexpr int64_t kLentBytes = 64 << 10;

  // Null when they are better gathered.
  const T* samples_to_lend(const Source& input, int64_t count) const {
    constexpr int64_t item = sizeof(T);
    const bool are_one_block = input.row_stride() == input.sample_size() * item;
    if (!are_one_block || count * input.row_stride() < kLentBytes) return nullptr;
    const T* const samples = input.in_place<T>();
    return samples ? samples + first_ * input.sample_size() : nullptr;
  }

  // Tells the executable where the rows of the next batch are, if they are long.
  void announce(size_t index) {
    const Source& input = inputs_[index];
    std::vector<const T*>& rows = announced_[index];
    const T* const samples = input.in_place<T>();
    if (!samples || input.sample_size() * static_cast<int64_t>(sizeof(T)) <= Source::kPrefetchedBytes) return;
    rows.resize(static_cast<size_t>(ahead_));
    for (int64_t i = 0; i < ahead_; ++i) {
      rows[static_cast<size_t>(i)] = samples + next_[i] * (input.row_stride() / static_cast<int64_t>(sizeof(T)));
    }
    if (!executable_.announce_input(static_cast<int>(index), rows.data(), ahead_)) rows.clear();
  }

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
      if (next_ && announced_[index].empty() && begin < ahead_)
        input.prefetch(next_ + begin, std::min(end, ahead_) - begin);
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
  std::vector<Source>& inputs_;
  const bool checked_;
  // For each input: where it is read instead of being gathered, or null; the rows of the next batch, if somebody asks
  // for them.
  std::vector<const T*> lent_;
  std::vector<std::vector<const T*>> announced_;
  std::atomic<bool> found_{false};
  const int64_t* rows_ = nullptr;
  const int64_t* next_ = nullptr;
  int64_t first_ = 0, ahead_ = 0;
  Feed feed_{[](void* context, int64_t begin, int64_t end) { static_cast<Gathering*>(context)->fill(begin, end); },
             [](void* context, int64_t begin, int64_t end) { static_cast<Gathering*>(context)->inspect(begin, end); },
             this};
};

}  // namespace ganglion
