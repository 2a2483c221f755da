#include "training/finite.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "core/thread_pool.h"

namespace ganglion {
namespace {

// Values looked at together: they stay in the cache.
constexpr int64_t kBlockSize = 16 << 10;
// Fewer are looked at before a second thread has heard of them.
constexpr int64_t kParallelSize = 128 << 10;

// The first row that fails `passes(values, count)`, -1 when there is none.
template <class T, class Test>
int64_t search(Source& source, Test passes) {
  const int64_t sample = source.sample_size();
  if (sample == 0) return -1;
  const int64_t rows = source.rows();
  // A team counts less than 2^24 chunks.
  const int64_t block_rows = std::max({int64_t{1}, kBlockSize / sample, rows >> 22});
  const int64_t blocks = (rows + block_rows - 1) / block_rows;
  const int threads =
      rows * sample < kParallelSize ? 1 : static_cast<int>(std::min<int64_t>(get_num_threads(), blocks));
  const int64_t size = std::min(block_rows, rows) * sample;
  std::vector<T> values(static_cast<size_t>(size * threads));
  std::atomic<int64_t> found{rows};
  parallel(threads, [&](Team& team) {
    T* const block = values.data() + size * team.thread();
    for (int64_t chunk; (chunk = team.next(blocks)) < blocks;) {
      const int64_t first = chunk * block_rows, count = std::min(block_rows, rows - first);
      if (first > found.load(std::memory_order_relaxed)) continue;
      source.gather(block, nullptr, first, count);
      if (passes(block, count * sample)) continue;
      int64_t row = first;
      while (passes(block + (row - first) * sample, sample)) ++row;
      int64_t before = found.load(std::memory_order_relaxed);
      while (row < before && !found.compare_exchange_weak(before, row, std::memory_order_relaxed)) {
      }
    }
  });
  return found < rows ? found.load() : -1;
}

template <class T>
int64_t search_not_finite(Source& source, double bound) {
  const T largest = static_cast<T>(std::min<double>(bound, std::numeric_limits<T>::max()));
  return search<T>(source, [=](const T* x, int64_t count) { return kernels<T>().all_within(x, count, largest); });
}

template <class T>
int64_t search_not_index(Source& source, int64_t size) {
  return search<T>(source,
                   [=](const T* x, int64_t count) { return kernels<T>().all_indices(x, count, static_cast<T>(size)); });
}

// What a double holds may be too large for a float, or rounded to a whole number.
bool needs_double(const Source& source) { return source.type() == DataType::f64; }

}  // namespace

int64_t first_not_finite(Source& source, double largest) {
  return needs_double(source) ? search_not_finite<double>(source, largest) : search_not_finite<float>(source, largest);
}

int64_t first_not_index(Source& source, int64_t size) {
  return needs_double(source) ? search_not_index<double>(source, size) : search_not_index<float>(source, size);
}

}  // namespace ganglion
