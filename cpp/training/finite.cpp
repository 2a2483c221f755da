#include "training/finite.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace ganglion {
namespace {

// Looked at together: enough for several threads to gather, little enough to stay in the cache.
constexpr int64_t kBlockSize = 64 << 10;

template <class T>
bool all_within(const T* values, int64_t count, T largest) {
  // Counts what is not, NaN among it. Many counts, so that they need not wait for one another.
  constexpr int64_t kLanes = 32;
  T counts[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      counts[lane] += std::fabs(values[i + lane]) <= largest ? T{0} : T{1};
    }
  }
  for (; i < count; ++i) counts[0] += std::fabs(values[i]) <= largest ? T{0} : T{1};
  return std::all_of(counts, counts + kLanes, [](T found) { return found == T{0}; });
}

template <class T>
int64_t search(Source& source, double bound) {
  const T largest = static_cast<T>(std::min<double>(bound, std::numeric_limits<T>::max()));
  const int64_t sample = source.sample_size();
  if (sample == 0) return -1;
  const int64_t block_rows = std::max<int64_t>(1, kBlockSize / sample);
  std::vector<T> block(static_cast<size_t>(std::min(block_rows, source.rows()) * sample));
  for (int64_t first = 0; first < source.rows(); first += block_rows) {
    const int64_t count = std::min(block_rows, source.rows() - first);
    source.gather(block.data(), nullptr, first, count);
    if (all_within(block.data(), count * sample, largest)) continue;
    int64_t row = 0;
    while (all_within(block.data() + row * sample, sample, largest)) ++row;
    return first + row;
  }
  return -1;
}

}  // namespace

int64_t first_not_finite(Source& source, double largest) {
  // What a double holds may be too large for a float.
  return source.type() == DataType::f64 ? search<double>(source, largest) : search<float>(source, largest);
}

}  // namespace ganglion
