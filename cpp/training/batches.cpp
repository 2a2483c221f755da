#include "training/batches.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/philox.h"
#include "core/thread_pool.h"

namespace ganglion {
namespace {

// Less than this is gathered before a second thread has heard of it.
constexpr int64_t kParallelBytes = 128 << 10;
constexpr int64_t kChunkBytes = 32 << 10;

// A row whose bytes span this many times what is used is read through its mapping: its elements are far apart.
constexpr int64_t kSparseRow = 16;
constexpr int64_t kPageBytes = 4096;

// The stream of random numbers that orders the rows; programs number theirs from zero.
constexpr uint32_t kOrderStream = 0xFFFFFFFFu;

int64_t item_size(DataType type) {
  switch (type) {
    case DataType::u8:
    case DataType::i8:
    case DataType::boolean:
      return 1;
    case DataType::u16:
    case DataType::i16:
    case DataType::f16:
      return 2;
    case DataType::u32:
    case DataType::i32:
    case DataType::f32:
      return 4;
    case DataType::u64:
    case DataType::i64:
    case DataType::f64:
      return 8;
  }
  return 0;
}

// Words of the stream, one after the other.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t epoch) : seed_(seed), epoch_(epoch) {}

  // Uniform in [0, bound), exactly: draws that would favour some numbers are thrown away (Lemire, "Fast random integer
  // generation in an interval", 2019).
  uint32_t below(uint32_t bound) {
    uint64_t product = static_cast<uint64_t>(next()) * bound;
    if (static_cast<uint32_t>(product) < bound) {
      const uint32_t threshold = (0u - bound) % bound;
      while (static_cast<uint32_t>(product) < threshold) product = static_cast<uint64_t>(next()) * bound;
    }
    return static_cast<uint32_t>(product >> 32);
  }

 private:
  uint32_t next() {
    if (used_ == 4) {
      words_ = philox(block_++, kOrderStream, epoch_, 0, seed_);
      used_ = 0;
    }
    return words_.word[used_++];
  }

  uint64_t seed_, epoch_;
  uint64_t block_ = 0;
  PhiloxWords words_{};
  int used_ = 4;
};

}  // namespace

Source::Source(const void* data, DataType type, bool batched, int64_t rows, int64_t row_stride,
               std::vector<int64_t> extents, std::vector<int64_t> strides)
    : data_(static_cast<const char*>(data)), type_(type), batched_(batched), rows_(rows), row_stride_(row_stride) {
  int64_t low = 0, high = item_size(type);  // of a row's bytes; strides may be negative
  for (size_t axis = 0; axis < extents.size(); ++axis) {
    sample_size_ *= extents[axis];
    const int64_t reach = (extents[axis] - 1) * strides[axis];
    (reach < 0 ? low : high) += reach;
    // Axes that lie one after the other in memory are read as one.
    if (extents[axis] == 1) continue;
    if (!extents_.empty() && strides_.back() == extents[axis] * strides[axis]) {
      extents_.back() *= extents[axis];
      strides_.back() = strides[axis];
    } else {
      extents_.push_back(extents[axis]);
      strides_.push_back(strides[axis]);
    }
  }
  row_bytes_ = high - low;
  row_origin_ = -low;
  const bool compact = row_bytes_ <= std::max<int64_t>(kPageBytes, kSparseRow * sample_size_ * item_size(type));
  if (batched && rows > 0 && sample_size_ > 0 && compact) {
    const int64_t reach = (rows - 1) * row_stride;
    file_ = MappedFile(data_ + low + std::min<int64_t>(0, reach), row_bytes_ + std::abs(reach));
  }
}

GatherSource Source::memory() const {
  return {data_, type_, row_stride_, static_cast<int>(extents_.size()), extents_.data(), strides_.data()};
}

int64_t Source::staging_bytes(int64_t rows) const {
  return file_.is_open() ? rows * std::max(row_bytes_, std::abs(row_stride_)) : 0;
}

template <class T>
void Source::gather_file(T* out, const int64_t* rows, int64_t first, int64_t count, char* staging) const {
  GatherSource staged = memory();
  staged.data = staging + row_origin_;
  const char* row = data_ - row_origin_ + first * row_stride_;
  if (!rows && row_stride_ > 0 && row_stride_ <= 2 * row_bytes_) {
    file_.read(staging, row, (count - 1) * row_stride_ + row_bytes_);
  } else {
    staged.row_stride = row_bytes_;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t offset = rows ? rows[i] - first : i;
      file_.read(staging + i * row_bytes_, row + offset * row_stride_, row_bytes_);
    }
  }
  kernels<T>().gather(out, staged, nullptr, 0, count);
}

template <class T>
void Source::gather(T* out, const int64_t* rows, int64_t first, int64_t count) {
  if (!batched_) {
    kernels<T>().gather(out, memory(), nullptr, 0, 1);
    return;
  }
  const int64_t bytes = std::max<int64_t>(1, sample_size_ * std::max<int64_t>(sizeof(T), item_size(type_)));
  const int64_t chunk_rows = std::max<int64_t>(1, kChunkBytes / bytes);
  const int64_t chunks = (count + chunk_rows - 1) / chunk_rows;
  const int threads =
      count * bytes < kParallelBytes ? 1 : static_cast<int>(std::min<int64_t>(get_num_threads(), chunks));
  const int64_t staging = staging_bytes(chunk_rows);
  if (static_cast<int64_t>(staging_.size()) < staging * threads)
    staging_.resize(static_cast<size_t>(staging * threads));
  const auto gather_chunks = [&](Team& team) {
    for (int64_t chunk; (chunk = team.next(chunks)) < chunks;) {
      const int64_t from = chunk * chunk_rows;
      const int64_t size = std::min(chunk_rows, count - from);
      const int64_t* chosen = rows ? rows + from : nullptr;
      if (file_.is_open()) {
        gather_file(out + from * sample_size_, chosen, first + from, size, staging_.data() + staging * team.thread());
      } else {
        kernels<T>().gather(out + from * sample_size_, memory(), chosen, first + from, size);
      }
    }
  };
  parallel(threads, gather_chunks);
}

EpochOrder::EpochOrder(int64_t rows) : size_(rows) {
  check(rows <= int64_t{0xFFFFFFFF}, "[Trainer] at most 4294967295 rows can be shuffled, got ", rows);
}

void EpochOrder::shuffle(uint64_t seed, uint64_t epoch) {
  shuffled_ = true;
  order_.resize(static_cast<size_t>(size_));
  std::iota(order_.begin(), order_.end(), 0u);
  Draws draws(seed, epoch);
  for (uint32_t last = static_cast<uint32_t>(size_); last > 1; --last) {
    std::swap(order_[last - 1], order_[draws.below(last)]);
  }
}

const int64_t* EpochOrder::rows(int64_t first, int64_t count) {
  if (!shuffled_) return nullptr;
  if (static_cast<int64_t>(batch_.size()) < count) batch_.resize(static_cast<size_t>(count));
  std::copy_n(order_.begin() + first, count, batch_.begin());
  return batch_.data();
}

template void Source::gather(float*, const int64_t*, int64_t, int64_t);
template void Source::gather(double*, const int64_t*, int64_t, int64_t);

}  // namespace ganglion
