// Where batches come from: the user's own arrays, read row by row as they lie in memory, and the order in which an
// epoch visits the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/kernels.h"
#include "training/mapped_file.h"

namespace ganglion {

// Samples that are not in memory: somebody else reads them, batch by batch, ahead of who needs them.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual DataType type() const = 0;
  // An epoch begins: its batches will be asked for one after the other, from rows in this order; null: as they lie.
  virtual void start(const uint32_t* order, int64_t batch_size) = 0;
  // The samples first ... first + count of the epoch, contiguous, once they are read; they stay until the next call.
  // Throws what reading them threw.
  virtual const void* batch(int64_t first, int64_t count) = 0;
};

// Sequences of different lengths, each contiguous, wherever it lies.
struct RaggedSource {
  const void* const* rows;
  const int64_t* sizes;  // numbers in each
  DataType type;
};

// An array whose rows are the samples, of any real dtype and any strides, a sparse matrix, a stream, or sequences. Does
// not own the memory.
class Source {
 public:
  // `extents` and `strides` (bytes) are those of one sample. A source that is not batched is one sample that
  // every batch reads whole.
  Source(const void* data, DataType type, bool batched, int64_t rows, int64_t row_stride, std::vector<int64_t> extents,
         std::vector<int64_t> strides);
  // The first `rows` of a sparse matrix, which was checked.
  Source(const SparseGatherSource& sparse, int64_t rows);
  // A stream of that many rows, each of `sample_size` numbers.
  Source(Stream& stream, int64_t rows, int64_t sample_size);
  // Sequences, each filled up with zeros to `sample_size` numbers; of one with more the first are read.
  Source(const RaggedSource& ragged, int64_t rows, int64_t sample_size);

  DataType type() const { return type_; }
  bool is_stream() const { return stream_ != nullptr; }
  bool batched() const { return batched_; }
  int64_t rows() const { return rows_; }
  int64_t sample_size() const { return sample_size_; }

  // For a stream: before the batches of an epoch, and before each of them is gathered.
  void start_stream(const uint32_t* order, int64_t batch_size) const;
  void await_batch(int64_t first, int64_t count);

  // out (count, sample) = the samples `rows[0 ... count)`, or first, first + 1, ... when `rows` is null; converted to
  // T, contiguous. Those of a stream must be of the batch that was awaited.
  template <class T>
  void gather(T* out, const int64_t* rows, int64_t first, int64_t count) const;
  // The first sample where it lies, if samples are contiguous numbers of T; null otherwise, for a stream, and for a
  // file, whose pages would stay in memory.
  template <class T>
  const T* in_place() const;
  int64_t row_stride() const { return row_stride_; }  // bytes
  // Asks for the beginnings of samples that will be gathered soon: they may lie anywhere, far from the cache.
  void prefetch(const int64_t* rows, int64_t count) const;
  // How many bytes of each; where the rest is the processor guesses by itself.
  static constexpr int64_t kPrefetchedBytes = 256;

 private:
  GatherSource memory() const;
  // Samples through the file.
  template <class T>
  void gather_file(T* out, const int64_t* rows, int64_t first, int64_t count) const;
  template <class T>
  void gather_ragged(T* out, const int64_t* rows, int64_t first, int64_t count) const;

  const char* data_;
  DataType type_;
  bool batched_;
  int64_t rows_;
  int64_t row_stride_;
  int64_t sample_size_ = 1;
  std::vector<int64_t> extents_;
  std::vector<int64_t> strides_;
  // Of a memory-mapped array: a row's bytes from the lowest to the highest address, and where its
  // first element is among them.
  MappedFile file_;
  int64_t row_bytes_ = 0;
  int64_t row_origin_ = 0;
  // What is read instead.
  std::optional<SparseGatherSource> sparse_;
  std::optional<RaggedSource> ragged_;
  Stream* stream_ = nullptr;
  int64_t batch_first_ = 0;  // the position in the epoch of the batch at data_
};

// The order of an epoch: a permutation of the rows that is a function of (seed, epoch) alone, every one equally
// likely; one that the caller gives; or the rows as they lie.
class EpochOrder {
 public:
  explicit EpochOrder(int64_t rows);

  void in_order() { shuffled_ = false; }
  void shuffle(uint64_t seed, uint64_t epoch);
  // As many row numbers as there are rows; copied.
  void take(const int64_t* order);

  // All rows of the epoch; null when they are their numbers themselves.
  const uint32_t* rows() const { return shuffled_ ? order_.data() : nullptr; }
  // Rows `first ... first + count` of the epoch; null when they are these numbers themselves. Holds until the
  // next call.
  const int64_t* rows(int64_t first, int64_t count);

 private:
  int64_t size_;
  bool shuffled_ = false;
  std::vector<uint32_t> order_;  // half the memory of int64: there may be many small rows
  std::vector<int64_t> batch_;
};

}  // namespace ganglion
