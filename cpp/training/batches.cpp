#include "training/batches.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/philox.h"

namespace ganglion {
namespace {

// What is read from a file at a time.
constexpr int64_t kChunkBytes = 32 << 10;

constexpr int64_t kLineBytes = 64;

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

Source::Source(const SparseGatherSource& sparse, int64_t rows)
    : data_(nullptr),
      type_(sparse.type),
      batched_(true),
      rows_(rows),
      row_stride_(0),
      sample_size_(sparse.columns),
      sparse_(sparse) {}

Source::Source(Stream& stream, int64_t rows, int64_t sample_size)
    : data_(nullptr),
      type_(stream.type()),
      batched_(true),
      rows_(rows),
      row_stride_(sample_size * item_size(type_)),
      sample_size_(sample_size),
      extents_{sample_size},
      strides_{item_size(type_)},
      stream_(&stream) {}

Source::Source(const RaggedSource& ragged, int64_t rows, int64_t sample_size)
    : data_(nullptr),
      type_(ragged.type),
      batched_(true),
      rows_(rows),
      row_stride_(0),
      sample_size_(sample_size),
      ragged_(ragged) {}

void Source::start_stream(const uint32_t* order, int64_t batch_size) const {
  if (stream_) stream_->start(order, batch_size);
}

void Source::await_batch(int64_t first, int64_t count) {
  if (!stream_) return;
  data_ = static_cast<const char*>(stream_->batch(first, count));
  batch_first_ = first;
}

GatherSource Source::memory() const {
  return {data_, type_, row_stride_, static_cast<int>(extents_.size()), extents_.data(), strides_.data()};
}

template <class T>
void Source::gather_file(T* out, const int64_t* rows, int64_t first, int64_t count) const {
  thread_local std::vector<char> staging;
  const size_t needed = static_cast<size_t>(count * std::max(row_bytes_, std::abs(row_stride_)));
  if (staging.size() < needed) staging.resize(needed);
  GatherSource staged = memory();
  staged.data = staging.data() + row_origin_;
  const char* row = data_ - row_origin_ + first * row_stride_;
  if (!rows && row_stride_ > 0 && row_stride_ <= 2 * row_bytes_) {
    file_.read(staging.data(), row, (count - 1) * row_stride_ + row_bytes_);
  } else {
    staged.row_stride = row_bytes_;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t offset = rows ? rows[i] - first : i;
      file_.read(staging.data() + i * row_bytes_, row + offset * row_stride_, row_bytes_);
    }
  }
  kernels<T>().gather(out, staged, nullptr, 0, count);
}

template <class T>
void Source::gather_ragged(T* out, const int64_t* rows, int64_t first, int64_t count) const {
  const int64_t stride = item_size(type_);
  for (int64_t i = 0; i < count; ++i, out += sample_size_) {
    const int64_t row = rows ? rows[i] : first + i;
    const int64_t size = std::min(ragged_->sizes[row], sample_size_);
    kernels<T>().gather(out, {ragged_->rows[row], type_, 0, 1, &size, &stride}, nullptr, 0, 1);
    std::fill(out + size, out + sample_size_, T{0});
  }
}

template <class T>
void Source::gather(T* out, const int64_t* rows, int64_t first, int64_t count) const {
  if (!batched_) return kernels<T>().gather(out, memory(), nullptr, 0, 1);
  if (sparse_) return kernels<T>().gather_sparse(out, *sparse_, rows, first, count);
  if (ragged_) return gather_ragged(out, rows, first, count);
  if (stream_) return kernels<T>().gather(out, memory(), nullptr, first - batch_first_, count);
  if (!file_.is_open()) return kernels<T>().gather(out, memory(), rows, first, count);
  const int64_t step = std::max<int64_t>(1, kChunkBytes / std::max<int64_t>(1, row_bytes_));
  for (int64_t from = 0; from < count; from += step) {
    gather_file(out + from * sample_size_, rows ? rows + from : nullptr, first + from, std::min(step, count - from));
  }
}

template <class T>
const T* Source::in_place() const {
  constexpr int64_t item = sizeof(T);
  const bool is_contiguous = extents_.empty() || (extents_.size() == 1 && strides_.back() == item);
  const bool is_same = type_ == (item == 4 ? DataType::f32 : DataType::f64);
  const bool is_aligned = reinterpret_cast<uintptr_t>(data_) % alignof(T) == 0 && row_stride_ % item == 0;
  const bool is_in_memory = batched_ && !sparse_ && !ragged_ && !stream_ && !file_.is_open();
  return is_in_memory && is_contiguous && is_same && is_aligned ? reinterpret_cast<const T*>(data_) : nullptr;
}

void Source::prefetch(const int64_t* rows, int64_t count) const {
  if (!batched_ || sparse_ || ragged_ || stream_ || file_.is_open()) return;
  const int64_t bytes = std::min(row_bytes_, kPrefetchedBytes);
  for (int64_t i = 0; i < count; ++i) {
    const char* const row = data_ + rows[i] * row_stride_ - row_origin_;
    for (int64_t at = 0; at < bytes; at += kLineBytes) __builtin_prefetch(row + at);
    __builtin_prefetch(row + bytes - 1);
  }
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

void EpochOrder::take(const int64_t* order) {
  for (int64_t i = 0; i < size_; ++i) {
    check(order[i] >= 0 && order[i] < size_, "[Trainer] the order must hold rows from 0 to ", size_ - 1, ", got ",
          order[i], " at position ", i);
  }
  shuffled_ = true;
  order_.resize(static_cast<size_t>(size_));
  std::transform(order, order + size_, order_.begin(), [](int64_t row) { return static_cast<uint32_t>(row); });
}

const int64_t* EpochOrder::rows(int64_t first, int64_t count) {
  if (!shuffled_) return nullptr;
  if (static_cast<int64_t>(batch_.size()) < count) batch_.resize(static_cast<size_t>(count));
  std::copy_n(order_.begin() + first, count, batch_.begin());
  return batch_.data();
}

template const float* Source::in_place() const;
template const double* Source::in_place() const;
template void Source::gather(float*, const int64_t*, int64_t, int64_t) const;
template void Source::gather(double*, const int64_t*, int64_t, int64_t) const;

}  // namespace ganglion
