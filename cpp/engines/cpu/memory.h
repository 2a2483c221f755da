// The memory a program runs in: where each value stands, for the batch at hand.
#pragma once

#include <vector>

#include "core/buffer.h"
#include "engines/executable.h"
#include "program/memory_plan.h"

namespace ganglion {

template <class T>
class Memory {
 public:
  Memory(const Program& program, const Buffers& buffers);

  // Plans and allocates for batches of at most `rows`.
  void reserve(int64_t rows);
  int64_t reserved() const { return reserved_; }

  T* at(int value);
  const T* at(int value) const { return const_cast<Memory*>(this)->at(value); }
  // Input `value` stands there from now on, or, null, in the arena again.
  void lend_input(int value, T* where) { lent_[static_cast<size_t>(value)] = where; }
  bool is_lent(int value) const { return lent_[static_cast<size_t>(plan_.places[static_cast<size_t>(value)].owner)]; }
  struct Announced {
    const T* const* rows = nullptr;
    int64_t count = 0;
  };
  // Rows that input `value` will be filled with after this run.
  void announce(int value, Announced rows) { announced_[static_cast<size_t>(value)] = rows; }
  Announced announced(int value) const { return announced_[static_cast<size_t>(value)]; }
  void set_scalar(int index, double value) { scalars_[static_cast<size_t>(index)] = static_cast<T>(value); }
  int64_t arena_bytes() const { return plan_.arena * static_cast<int64_t>(sizeof(T)); }

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
  Buffer<T> arena_, constants_, threads_;
  std::vector<T> scalars_;
  std::vector<T*> lent_;              // for each value
  std::vector<Announced> announced_;  // likewise
  int64_t thread_size_ = 0;
  int thread_count_ = 0;
};

}  // namespace ganglion
