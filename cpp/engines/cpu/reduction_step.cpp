#include <algorithm>

#include "core/buffer.h"
#include "engines/cpu/step.h"

namespace ganglion {

namespace {

// A long run is summed in parts of fixed length first, which threads share out; then the parts are summed.
constexpr int64_t kLongRun = 2 * kChunkElements;  // contiguous elements
constexpr int64_t kLongColumn = 4096, kColumnPart = 1024;
constexpr int64_t kColumns = 128;  // of one chunk

// x (outer, reduced, inner) to (outer, inner), by sum or maximum.
template <class T>
class ReductionStep : public Step<T> {
 public:
  explicit ReductionStep(const StepSource<T>& source)
      : source_(source),
        reduce_(source.operation.kind == "reduce_sum" ? kernels<T>().reduce_sum : kernels<T>().reduce_max),
        first_(attribute_int(source.operation, "first")),
        last_(attribute_int(source.operation, "last")) {}

  void bind(int64_t rows) override {
    const Shape& shape = source_.shape(source_.input(0));
    rows_ = rows;
    outer_ = reduced_ = inner_ = 1;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      (axis < first_ ? outer_ : axis <= last_ ? reduced_ : inner_) *= shape.extent(axis, rows);
    }
    x_ = source_.at(source_.input(0));
    out_ = source_.at(source_.output());
    x_local_ = source_.memory.local_sample(source_.input(0));
    out_local_ = source_.memory.local_sample(source_.output());
    const bool is_long = inner_ == 1 ? reduced_ > kLongRun : reduced_ > kLongColumn;
    part_ = !is_long ? reduced_ : inner_ == 1 ? kChunkElements : kColumnPart;
    parts_ = chunk_count(reduced_, part_);
    column_chunks_ = chunk_count(inner_, kColumns);
    rows_per_chunk_ = std::max<int64_t>(1, kChunkElements / (part_ * std::min(inner_, kColumns)));
    if (parts_ > 1) {
      sums_.require(outer_ * parts_ * inner_);
      source_.memory.require_scratch(parts_ * inner_);
    }
  }

  int phases() const override { return parts_ > 1 ? 2 : 1; }

  int64_t chunks(int phase) const override {
    if (parts_ == 1) return chunk_count(outer_, rows_per_chunk_) * column_chunks_;
    return outer_ * column_chunks_ * (phase == 0 ? parts_ : 1);
  }

  void run(int phase, int64_t chunk, int, const RunKey&) override {
    const int64_t column = chunk % column_chunks_ * kColumns;
    const int64_t columns = std::min(kColumns, inner_ - column);
    const int64_t index = chunk / column_chunks_;
    if (parts_ == 1) {
      const int64_t row = index * rows_per_chunk_;
      const int64_t rows = std::min(rows_per_chunk_, outer_ - row);
      reduce_rows(out_, x_, row, rows, reduced_, column, columns);
    } else if (phase == 0) {  // index = outer * parts + part, whose place among the sums it also is
      const int64_t row = index / parts_, part = index % parts_;
      const T* from = x_ + (row * reduced_ + part * part_) * inner_ + column;
      reduce_(sums_.data() + index * inner_ + column, from, 1, std::min(part_, reduced_ - part * part_), columns, 0,
              inner_);
    } else {
      reduce_rows(out_, sums_.data(), index, 1, parts_, column, columns);
    }
  }

  void run_range(const Range& range, const RunKey&) override {
    const int64_t first = range.begin * (outer_ / rows_), last = range.end * (outer_ / rows_);
    const T* const x = x_ + source_.memory.shift(x_local_, range);
    T* const out = out_ + source_.memory.shift(out_local_, range);
    if (parts_ == 1) return reduce_rows(out, x, first, last - first, reduced_, 0, inner_);
    for (int64_t row = first; row < last; ++row) {
      for (int64_t column = 0; column < inner_; column += kColumns) {
        const int64_t columns = std::min(kColumns, inner_ - column);
        T* const sums = source_.memory.thread_scratch(range.thread);
        for (int64_t part = 0; part < parts_; ++part) {
          reduce_(sums + part * inner_ + column, x + (row * reduced_ + part * part_) * inner_ + column, 1,
                  std::min(part_, reduced_ - part * part_), columns, 0, inner_);
        }
        reduce_(out + row * inner_ + column, sums + column, 1, parts_, columns, 0, inner_);
      }
    }
  }

  int64_t own_elements() const override { return sums_.size(); }

 private:
  void reduce_rows(T* out, const T* x, int64_t row, int64_t rows, int64_t reduced, int64_t column, int64_t columns) {
    if (columns == inner_) {
      reduce_(out + row * inner_, x + row * reduced * inner_, rows, reduced, inner_, reduced * inner_, inner_);
      return;
    }
    for (int64_t i = row; i < row + rows; ++i) {
      reduce_(out + i * inner_ + column, x + i * reduced * inner_ + column, 1, reduced, columns, 0, inner_);
    }
  }

  StepSource<T> source_;
  decltype(KernelTable<T>::reduce_sum) reduce_;
  const int64_t first_, last_;
  Buffer<T> sums_;  // of the parts
  const T* x_ = nullptr;
  T* out_ = nullptr;
  int64_t x_local_ = 0, out_local_ = 0;  // see Memory
  int64_t rows_ = 1, outer_ = 1, reduced_ = 1, inner_ = 1;
  int64_t part_ = 1, parts_ = 1, column_chunks_ = 1, rows_per_chunk_ = 1;
};

// The number of elements that a mean divides by.
template <class T>
class AxisSizeStep : public Step<T> {
 public:
  explicit AxisSizeStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Shape& shape = source_.shape(source_.input(0));
    size_ = 1;
    const int64_t last = attribute_int(source_.operation, "last");
    for (int64_t axis = attribute_int(source_.operation, "first"); axis <= last; ++axis) {
      size_ *= shape.extent(static_cast<int>(axis), rows);
    }
  }
  int64_t chunks(int) const override { return 1; }
  void run(int, int64_t, int, const RunKey&) override { *source_.at(source_.output()) = static_cast<T>(size_); }

 private:
  StepSource<T> source_;
  int64_t size_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_reduction_step(const StepSource<T>& source) {
  if (source.operation.kind == "axis_size") return std::make_unique<AxisSizeStep<T>>(source);
  return std::make_unique<ReductionStep<T>>(source);
}

template StepPointer<float> make_reduction_step(const StepSource<float>&);
template StepPointer<double> make_reduction_step(const StepSource<double>&);

}  // namespace ganglion
