// take and its gradient. Each row of the gradient is added up by itself, in the order of the batch: the numbers are put
// in order by row first. A number's place among those of its row is how many equal ones stand before it.
#include <algorithm>

#include "engines/cuda/expression.h"
#include "program/rule.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 8192;

template <class T>
GANGLION_DEVICE int64_t row_of(T index, int64_t rows) {
  return index >= 0 && index < static_cast<T>(rows) ? static_cast<int64_t>(index) : -1;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    take_kernel(T* out, const T* table, const T* index, int64_t rows, int64_t columns, int64_t elements) {
  for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) {
    const int64_t row = row_of(index[at / columns], rows);
    out[at] = row >= 0 ? table[row * columns + at % columns] : not_a_number(T{});
  }
}

template <class T>
class TakeStep : public Step<T> {
 public:
  explicit TakeStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Shape& table = source_.shape(source_.input(0));
    table_rows_ = table.dims[0];
    columns_ = table.dims[1];
    elements_ = source_.shape(source_.input(1)).size(rows) * columns_;
  }
  void enqueue(cudaStream_t stream) override {
    launch(stream, std::min(divide_up(elements_, kThreads), kMostBlocks), kThreads, take_kernel<T>,
           source_.at(source_.output()), source_.at(source_.input(0)), source_.at(source_.input(1)), table_rows_,
           columns_, elements_);
  }

 private:
  StepSource<T> source_;
  int64_t table_rows_ = 1, columns_ = 1, elements_ = 0;
};

struct Sorting {
  int32_t* ranks;   // of each number among the equal ones
  int32_t* counts;  // of each row
  int32_t* starts;  // of each row in `order`, and the end
  int32_t* order;   // positions, by row
  int64_t count, rows;
};

template <class T>
__global__ void __launch_bounds__(kThreads) rank_kernel(const T* index, const __grid_constant__ Sorting sorting) {
  __shared__ T tile[kThreads];
  const int64_t mine = thread_of_grid();
  const T value = mine < sorting.count ? index[mine] : T{-1};
  int32_t rank = 0;
  const int64_t last = (static_cast<int64_t>(blockIdx.x) + 1) * kThreads;
  for (int64_t first = 0; first < last && first < sorting.count; first += kThreads) {
    const int64_t other = first + threadIdx.x;
    tile[threadIdx.x] = other < sorting.count ? index[other] : T{-1};
    __syncthreads();
    const int64_t before = mine - first < kThreads ? mine - first : kThreads;
    for (int64_t i = 0; i < before; ++i) rank += row_of(tile[i], sorting.rows) == row_of(value, sorting.rows);
    __syncthreads();
  }
  const int64_t row = row_of(value, sorting.rows);
  if (mine >= sorting.count || row < 0) return;
  sorting.ranks[mine] = rank;
  atomicAdd(&sorting.counts[row], 1);
}

// One block: each thread adds up a run of rows, and one of them the runs.
__global__ void __launch_bounds__(kThreads) start_kernel(const __grid_constant__ Sorting sorting) {
  __shared__ int32_t runs[kThreads];
  const int64_t run = (sorting.rows + kThreads - 1) / kThreads;
  const int64_t begin = threadIdx.x * run, end = begin + run < sorting.rows ? begin + run : sorting.rows;
  int32_t sum = 0;
  for (int64_t row = begin; row < end; ++row) sum += sorting.counts[row];
  runs[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    int32_t before = 0;
    for (int i = 0; i < kThreads; ++i) {
      const int32_t of_run = runs[i];
      runs[i] = before;
      before += of_run;
    }
    sorting.starts[sorting.rows] = before;
  }
  __syncthreads();
  int32_t before = runs[threadIdx.x];
  for (int64_t row = begin; row < end; ++row) {
    sorting.starts[row] = before;
    before += sorting.counts[row];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) order_kernel(const T* index, const __grid_constant__ Sorting sorting) {
  for (int64_t at = thread_of_grid(); at < sorting.count; at += threads_of_grid()) {
    const int64_t row = row_of(index[at], sorting.rows);
    if (row >= 0) sorting.order[sorting.starts[row] + sorting.ranks[at]] = static_cast<int32_t>(at);
  }
}

// sums: null where the code follows at once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_rows_kernel(const T* x, const __grid_constant__ Sorting sorting, int64_t columns, T* sums,
                    const __grid_constant__ ShortCode<T> code, const Control* control) {
  const int64_t groups = (columns + 3) / 4;
  for (int64_t at = thread_of_grid(); at < sorting.rows * groups; at += threads_of_grid()) {
    const int64_t row = at / groups, column = at % groups * 4;
    const int count = columns - column < 4 ? static_cast<int>(columns - column) : 4;
    T sum[4] = {0, 0, 0, 0};
    for (int32_t i = sorting.starts[row]; i < sorting.starts[row + 1]; ++i) {
      const T* const from = x + sorting.order[i] * columns + column;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j < count) sum[j] += from[j];
      }
    }
    const int64_t element = row * columns + column;
    if (sums) {
      for (int j = 0; j < count; ++j) sums[element + j] = sum[j];
    } else {
      evaluate(code, control, element, count, sum);
    }
  }
}

template <class T>
class TakeGradientStep : public Step<T> {
 public:
  explicit TakeGradientStep(const StepSource<T>& source)
      : source_(source),
        code_(ExpressionCode<T>::epilogue(source.program, source.operation,
                                          static_cast<size_t>(find_rule(source.operation.kind).arity))) {
    sorting_.rows = attribute_int(source.operation, "rows");
  }

  void bind(int64_t rows) override {
    sorting_.count = source_.shape(source_.input(0)).size(rows);
    columns_ = source_.shape(source_.input(1)).dims.back();
    check(sorting_.count <= INT32_MAX && sorting_.rows < INT32_MAX, "[cuda] a batch of ", sorting_.count,
          " ids, or a table of ", sorting_.rows, " rows, is too large");
    numbers_.require(2 * sorting_.count + 2 * sorting_.rows + 1);
    sorting_.ranks = numbers_.data();
    sorting_.order = sorting_.ranks + sorting_.count;
    sorting_.counts = sorting_.order + sorting_.count;
    sorting_.starts = sorting_.counts + sorting_.rows;
    code_.bind(rows, source_.memory);
    if (!code_.is_short()) source_.memory.require_scratch(sorting_.rows * columns_);
  }

  void enqueue(cudaStream_t stream) override {
    const T* const index = source_.at(source_.input(0));
    const bool is_short = code_.is_short();
    T* const sums = is_short ? nullptr : source_.memory.scratch();
    check_cuda(
        cudaMemsetAsync(sorting_.counts, 0, static_cast<size_t>(sorting_.rows) * sizeof *sorting_.counts, stream),
        "setting counts to zero");
    const int64_t blocks = divide_up(sorting_.count, kThreads);
    launch(stream, blocks, kThreads, rank_kernel<T>, index, sorting_);
    launch(stream, 1, kThreads, start_kernel, sorting_);
    launch(stream, std::min(blocks, kMostBlocks), kThreads, order_kernel<T>, index, sorting_);
    launch(stream, std::min(divide_up(sorting_.rows * divide_up(columns_, 4), kThreads), kMostBlocks), kThreads,
           add_rows_kernel<T>, source_.at(source_.input(1)), sorting_, columns_, sums,
           is_short ? code_.short_code() : ShortCode<T>{}, source_.memory.control);
    if (sums) code_.enqueue(stream, source_.memory.control, sums);
  }

 private:
  StepSource<T> source_;
  ExpressionCode<T> code_;
  Sorting sorting_{};
  DeviceBuffer<int32_t> numbers_;
  int64_t columns_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_take_step(const StepSource<T>& source) {
  if (source.operation.kind == "take") return std::make_unique<TakeStep<T>>(source);
  return std::make_unique<TakeGradientStep<T>>(source);
}

template StepPointer<float> make_take_step(const StepSource<float>&);
template StepPointer<double> make_take_step(const StepSource<double>&);

}  // namespace ganglion::cuda
