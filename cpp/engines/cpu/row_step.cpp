// Kernels that work on rows of the last axis: softmax and its family, cross-entropy, argmax, the k-th largest.
#include <algorithm>
#include <map>
#include <string>

#include "engines/cpu/step.h"

namespace ganglion {

namespace {

template <class T>
struct Rows {
  T* out[2];
  const T* in[3];
  int64_t rows, columns;
};

template <class T>
using RowKernel = void (*)(const Rows<T>&);

template <class T>
const std::map<std::string, RowKernel<T>>& row_kernels() {
  using R = const Rows<T>&;
  static const std::map<std::string, RowKernel<T>> table{
      {"softmax", [](R r) { kernels<T>().softmax(r.out[0], r.in[0], r.rows, r.columns); }},
      {"log_softmax", [](R r) { kernels<T>().log_softmax(r.out[0], r.in[0], r.rows, r.columns); }},
      {"softmax_gradient", [](R r) { kernels<T>().softmax_gradient(r.out[0], r.in[0], r.in[1], r.rows, r.columns); }},
      {"log_softmax_gradient",
       [](R r) { kernels<T>().log_softmax_gradient(r.out[0], r.in[0], r.in[1], r.rows, r.columns); }},
      {"crossentropy", [](R r) { kernels<T>().crossentropy(r.out[0], r.out[1], r.in[0], r.in[1], r.rows, r.columns); }},
      {"sparse_crossentropy",
       [](R r) { kernels<T>().sparse_crossentropy(r.out[0], r.out[1], r.in[0], r.in[1], r.rows, r.columns); }},
      {"crossentropy_gradient",
       [](R r) { kernels<T>().crossentropy_gradient(r.out[0], r.in[0], r.in[1], r.in[2], r.rows, r.columns); }},
      {"sparse_crossentropy_gradient",
       [](R r) { kernels<T>().sparse_crossentropy_gradient(r.out[0], r.in[0], r.in[1], r.in[2], r.rows, r.columns); }},
      {"kth_largest", [](R r) { kernels<T>().kth_largest(r.out[0], r.in[0], r.in[1], r.rows, r.columns); }},
      {"argmax", [](R r) { kernels<T>().argmax(r.out[0], r.in[0], r.rows, r.columns); }},
  };
  return table;
}

// Input 0 is (rows, columns); every other input and output is that, or one number a row; an input may be one number.
template <class T>
class RowStep : public Step<T> {
 public:
  explicit RowStep(const StepSource<T>& source)
      : source_(source), kernel_(row_kernels<T>().at(source.operation.kind)) {}

  void bind(int64_t rows) override {
    const Shape& shape = source_.shape(source_.input(0));
    all_.columns = shape.extent(shape.rank() - 1, rows);
    all_.rows = shape.size(rows) / all_.columns;
    sample_ = all_.rows / rows;
    const auto width = [&](int value) { return source_.shape(value).size(rows) / all_.rows; };
    for (size_t i = 0; i < source_.operation.inputs.size(); ++i) {
      all_.in[i] = source_.at(source_.input(i));
      in_width_[i] = width(source_.input(i));
      in_local_[i] = source_.memory.local_sample(source_.input(i));
    }
    for (size_t i = 0; i < source_.operation.outputs.size(); ++i) {
      all_.out[i] = source_.at(source_.output(i));
      out_width_[i] = width(source_.output(i));
      out_local_[i] = source_.memory.local_sample(source_.output(i));
    }
    rows_per_chunk_ = std::max<int64_t>(1, kChunkElements / 4 / all_.columns);
  }
  int64_t chunks(int) const override { return chunk_count(all_.rows, rows_per_chunk_); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    const int64_t row = chunk * rows_per_chunk_;
    run_rows(row, std::min(row + rows_per_chunk_, all_.rows), {});
  }
  void run_range(const Range& range, const RunKey&) override {
    run_rows(range.begin * sample_, range.end * sample_, range);
  }

 private:
  void run_rows(int64_t begin, int64_t end, const Range& range) {
    Rows<T> part = all_;
    part.rows = end - begin;
    for (int i = 0; i < 3; ++i) part.in[i] += begin * in_width_[i] + source_.memory.shift(in_local_[i], range);
    for (int i = 0; i < 2; ++i) part.out[i] += begin * out_width_[i] + source_.memory.shift(out_local_[i], range);
    kernel_(part);
  }

  StepSource<T> source_;
  RowKernel<T> kernel_;
  Rows<T> all_{};
  int64_t in_width_[3] = {}, out_width_[2] = {};
  int64_t in_local_[3] = {}, out_local_[2] = {};  // see Memory
  int64_t sample_ = 1;                            // rows
  int64_t rows_per_chunk_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_row_step(const StepSource<T>& source) {
  return std::make_unique<RowStep<T>>(source);
}

template StepPointer<float> make_row_step(const StepSource<float>&);
template StepPointer<double> make_row_step(const StepSource<double>&);

}  // namespace ganglion
