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

template <class T>
int64_t search(Source& source, double bound) {
  const T largest = static_cast<T>(std::min<double>(bound, std::numeric_limits<T>::max()));
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
      if (kernels<T>().all_within(block, count * sample, largest)) continue;
      int64_t row = first;
      while (kernels<T>().all_within(block + (row - first) * sample, sample, largest)) ++row;
      int64_t before = found.load(std::memory_order_relaxed);
      while (row < before && !found.compare_exchange_weak(before, row, std::memory_order_relaxed)) {
      }
    }
  });
  return found < rows ? found.load() : -1;
}

}  // namespace

int64_t first_not_finite(Source& source, double largest) {
  // What a double holds may be too large for a float.
  return source.type() == DataType::f64 ? search<double>(source, largest) : search<float>(source, largest);
}

}  // namespace ganglion
