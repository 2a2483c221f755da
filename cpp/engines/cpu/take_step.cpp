// take and its gradient. The gradient is made some rows of the table at a time: what reached them is found by sorting
// the numbers first, added in the order of the batch, and handed on to the update, while it is in the cache.
#include <algorithm>
#include <vector>

#include "engines/cpu/epilogue.h"
#include "engines/cpu/step.h"

namespace ganglion {

namespace {

template <class T>
class TakeStep : public Step<T> {
 public:
  explicit TakeStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Shape& table = source_.shape(source_.input(0));
    table_rows_ = table.dims[0];
    columns_ = table.dims[1];
    count_ = source_.shape(source_.input(1)).size(rows);
    sample_ = count_ / rows;
    chunk_ = std::max<int64_t>(1, kChunkElements / columns_);
  }
  int64_t chunks(int) const override { return chunk_count(count_, chunk_); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    take(chunk * chunk_, std::min((chunk + 1) * chunk_, count_), {});
  }
  void run_range(const Range& range, const RunKey&) override {
    take(range.begin * sample_, range.end * sample_, range);
  }

 private:
  void take(int64_t begin, int64_t end, const Range& range) {
    const int index = source_.input(1), out = source_.output();
    kernels<T>().take(source_.at(out) + begin * columns_ + source_.shift(out, range), source_.at(source_.input(0)),
                      source_.at(index) + begin + source_.shift(index, range), end - begin, table_rows_, columns_);
  }

  StepSource<T> source_;
  int64_t table_rows_ = 1, columns_ = 1;
  int64_t count_ = 0, sample_ = 1;  // numbers: all, and of a sample
  int64_t chunk_ = 1;
};

template <class T>
class TakeGradientStep : public Step<T> {
 public:
  explicit TakeGradientStep(const StepSource<T>& source)
      : source_(source),
        table_rows_(attribute_int(source.operation, "rows")),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {}

  void bind(int64_t rows) override {
    count_ = source_.shape(source_.input(0)).size(rows);
    columns_ = source_.shape(source_.input(1)).dims.back();
    // Chunks with as much to add and to store as others have, on average.
    const int64_t chunks = chunk_count((table_rows_ + count_) * columns_, kChunkElements);
    chunk_rows_ = chunk_count(table_rows_, chunks);
    starts_.resize(static_cast<size_t>(chunk_count(table_rows_, chunk_rows_)) + 1);
    pairs_.resize(static_cast<size_t>(count_));
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    sums_size_ = place_ < 0 ? padded_size(chunk_rows_ * columns_) : 0;
    source_.memory.require_scratch(sums_size_ + (epilogue_ ? epilogue_->scratch_elements() : 0));
  }

  int phases() const override { return 2; }
  int64_t chunks(int phase) const override { return phase == 0 ? 1 : static_cast<int64_t>(starts_.size()) - 1; }

  void run(int phase, int64_t chunk, int thread, const RunKey& key) override {
    if (phase == 0) return sort();
    const int64_t begin = chunk * chunk_rows_, end = std::min(begin + chunk_rows_, table_rows_);
    T* const scratch = source_.memory.thread_scratch(thread);
    T* const sums = place_ < 0 ? scratch : source_.at(place_) + begin * columns_;
    std::fill_n(sums, (end - begin) * columns_, T{0});
    const int64_t first = starts_[static_cast<size_t>(chunk)], last = starts_[static_cast<size_t>(chunk) + 1];
    kernels<T>().add_rows(sums, source_.at(source_.input(1)), pairs_.data() + first, last - first, columns_);
    if (!epilogue_) return;
    Block<T> done{begin, end, 0, columns_};
    if (place_ < 0) {
      done.first = sums;
      done.first_row = columns_;
    }
    epilogue_->run_block(done, scratch + sums_size_, key);
  }

 private:
  // Pairs by chunk, in the order of the batch within each.
  void sort() {
    const T* const index = source_.at(source_.input(0));
    const T size = static_cast<T>(table_rows_);
    const auto for_each = [&](auto&& work) {
      for (int64_t i = 0; i < count_; ++i) {
        if (!(index[i] >= 0 && index[i] < size)) continue;
        const int64_t row = static_cast<int64_t>(index[i]);
        work(i, row, static_cast<size_t>(row / chunk_rows_));
      }
    };
    std::fill(starts_.begin(), starts_.end(), 0);
    for_each([&](int64_t, int64_t, size_t chunk) { ++starts_[chunk + 1]; });
    for (size_t chunk = 1; chunk < starts_.size(); ++chunk) starts_[chunk] += starts_[chunk - 1];
    for_each([&](int64_t i, int64_t row, size_t chunk) {
      pairs_[static_cast<size_t>(starts_[chunk]++)] = {i, row - static_cast<int64_t>(chunk) * chunk_rows_};
    });
    // Each start stands where the next one belongs.
    std::copy_backward(starts_.begin(), starts_.end() - 1, starts_.end());
    starts_[0] = 0;
  }

  StepSource<T> source_;
  const int64_t table_rows_;
  const int place_;  // where the sums are kept; -1: in scratch memory
  std::optional<ExpressionRunner<T>> epilogue_;
  std::vector<RowPair> pairs_;   // of a row that came and the row of its chunk that it belongs to
  std::vector<int64_t> starts_;  // of each chunk's pairs, and the end
  int64_t count_ = 0, columns_ = 1, chunk_rows_ = 1, sums_size_ = 0;
};

}  // namespace

template <class T>
StepPointer<T> make_take_step(const StepSource<T>& source) {
  if (source.operation.kind == "take") return std::make_unique<TakeStep<T>>(source);
  return std::make_unique<TakeGradientStep<T>>(source);
}

template StepPointer<float> make_take_step(const StepSource<float>&);
template StepPointer<double> make_take_step(const StepSource<double>&);

}  // namespace ganglion
