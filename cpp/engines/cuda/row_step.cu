// Rows of the last axis: softmax and its family, cross-entropy, argmax, the k-th largest. A warp takes a row.
//
// The sum of exponentials leaves out the greatest logit's, which is 1: `others`. So the log of the sum is
// log1p(others), which keeps its digits when one class is sure.
#include <map>
#include <string>

#include "engines/cuda/functions.h"
#include "engines/cuda/step.h"

namespace ganglion::cuda {

namespace {

enum class RowKind : int32_t {
  softmax,
  log_softmax,
  softmax_gradient,
  log_softmax_gradient,
  crossentropy,
  sparse_crossentropy,
  crossentropy_gradient,
  sparse_crossentropy_gradient,
  argmax,
  kth_largest
};

template <class T>
struct Rows {
  T* out[2];
  const T* in[3];
  int64_t rows, columns;
};

constexpr int64_t kMostBlocks = 8192;

template <class T>
GANGLION_DEVICE T sum_of_warp(T value) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(0xffffffffu, value, mask);
  return value;
}

// Of equal ones the first; NaN is greater than any number.
template <class T>
GANGLION_DEVICE bool is_greater(T a, int64_t at_a, T b, int64_t at_b) {
  const bool nan_a = a != a, nan_b = b != b;
  if (nan_a || nan_b) return nan_a && (!nan_b || at_a < at_b);
  return a > b || (a == b && at_a < at_b);
}

template <class T>
GANGLION_DEVICE int64_t argmax_of_row(const T* x, int64_t columns, int lane) {
  int64_t best = lane < columns ? lane : 0;
  T value = x[best];
  for (int64_t j = lane + kWarp; j < columns; j += kWarp) {
    if (is_greater(x[j], j, value, best)) {
      value = x[j];
      best = j;
    }
  }
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, value, mask);
    const int64_t at = __shfl_xor_sync(0xffffffffu, best, mask);
    if (is_greater(other, at, value, best)) {
      value = other;
      best = at;
    }
  }
  return best;
}

// The class an index names, -1 where there is none.
template <class T>
GANGLION_DEVICE int64_t class_of(T index, int64_t columns) {
  return index >= 0 && index < static_cast<T>(columns) ? static_cast<int64_t>(index) : -1;
}

template <class T>
struct Greatest {
  int64_t at;
  T value, others;
};

// Also the probabilities, unless `out` is null.
template <class T>
GANGLION_DEVICE Greatest<T> softmax_of_row(const T* x, T* out, int64_t columns, int lane) {
  Greatest<T> greatest;
  greatest.at = argmax_of_row(x, columns, lane);
  greatest.value = x[greatest.at];
  T others = 0;
  for (int64_t j = lane; j < columns; j += kWarp) {
    if (j != greatest.at) others += std::exp(x[j] - greatest.value);
  }
  greatest.others = sum_of_warp(others);
  if (out) {
    const T inverse = 1 / (1 + greatest.others);
    for (int64_t j = lane; j < columns; j += kWarp) out[j] = std::exp(x[j] - greatest.value) * inverse;
  }
  return greatest;
}

template <class T>
GANGLION_DEVICE T kth_largest_of_row(const T* x, T k, int64_t columns, int lane) {
  T value = 0;
  T found = 0;
  for (bool is_first = true; is_first || found < k; is_first = false) {
    T next = x[0];
    bool any = false;
    for (int64_t j = lane; j < columns; j += kWarp) {
      if ((is_first || x[j] < value) && (!any || x[j] > next)) {
        next = x[j];
        any = true;
      }
    }
#pragma unroll
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      const T other = __shfl_xor_sync(0xffffffffu, next, mask);
      const int has = __shfl_xor_sync(0xffffffffu, any ? 1 : 0, mask);
      if (has && (!any || other > next)) next = other;
      any = any || has;
    }
    if (!any) break;
    value = next;
    T count = 0;
    for (int64_t j = lane; j < columns; j += kWarp) count += x[j] >= value ? T{1} : T{0};
    found = sum_of_warp(count);
  }
  return value;
}

template <RowKind kind, class T>
__global__ void __launch_bounds__(kThreads) row_kernel(const __grid_constant__ Rows<T> r) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t columns = r.columns;
  for (int64_t row = thread_of_grid() / kWarp; row < r.rows; row += threads_of_grid() / kWarp) {
    const T* const x = r.in[0] + row * columns;
    T* const out = r.out[0] + row * columns;  // unless there is one number a row
    if constexpr (kind == RowKind::softmax) {
      softmax_of_row(x, out, columns, lane);
    } else if constexpr (kind == RowKind::log_softmax) {
      const Greatest<T> greatest = softmax_of_row<T>(x, nullptr, columns, lane);
      const T log_sum = std::log1p(greatest.others);
      for (int64_t j = lane; j < columns; j += kWarp) out[j] = (x[j] - greatest.value) - log_sum;
    } else if constexpr (kind == RowKind::softmax_gradient) {
      const T* const d = r.in[1] + row * columns;
      T dot = 0;
      for (int64_t j = lane; j < columns; j += kWarp) dot += x[j] * d[j];
      dot = sum_of_warp(dot);
      for (int64_t j = lane; j < columns; j += kWarp) out[j] = x[j] * (d[j] - dot);
    } else if constexpr (kind == RowKind::log_softmax_gradient) {
      const T* const d = r.in[1] + row * columns;
      T sum = 0;
      for (int64_t j = lane; j < columns; j += kWarp) sum += d[j];
      sum = sum_of_warp(sum);
      for (int64_t j = lane; j < columns; j += kWarp) out[j] = d[j] - std::exp(x[j]) * sum;
    } else if constexpr (kind == RowKind::crossentropy) {
      const Greatest<T> greatest = softmax_of_row(x, r.out[1] + row * columns, columns, lane);
      const T* const target = r.in[1] + row * columns;
      const T log_sum = std::log1p(greatest.others);
      T loss = 0;  // -t log(p); nothing where t is 0, whatever p
      for (int64_t j = lane; j < columns; j += kWarp) {
        if (target[j] != 0) loss += target[j] * (log_sum + (greatest.value - x[j]));
      }
      loss = sum_of_warp(loss);
      if (lane == 0) r.out[0][row] = loss;
    } else if constexpr (kind == RowKind::sparse_crossentropy) {
      const Greatest<T> greatest = softmax_of_row(x, r.out[1] + row * columns, columns, lane);
      const int64_t right = class_of(r.in[1][row], columns);
      if (lane == 0) {
        r.out[0][row] = right < 0 ? not_a_number(T{}) : std::log1p(greatest.others) + (greatest.value - x[right]);
      }
    } else if constexpr (kind == RowKind::crossentropy_gradient) {
      const T* const target = r.in[1] + row * columns;
      const T scale = r.in[2][row];
      T sum = 0;
      for (int64_t j = lane; j < columns; j += kWarp) sum += target[j];
      sum = sum_of_warp(sum);
      for (int64_t j = lane; j < columns; j += kWarp) out[j] = scale * (x[j] * sum - target[j]);
    } else if constexpr (kind == RowKind::sparse_crossentropy_gradient) {
      const int64_t right = class_of(r.in[1][row], columns);
      const T scale = right < 0 ? not_a_number(T{}) : r.in[2][row];
      T others = 0;
      for (int64_t j = lane; j < columns; j += kWarp) {
        if (j != right) others += x[j];
      }
      others = sum_of_warp(others);
      for (int64_t j = lane; j < columns; j += kWarp) out[j] = scale * (j == right ? -others : x[j]);
    } else if constexpr (kind == RowKind::argmax) {
      const int64_t best = argmax_of_row(x, columns, lane);
      if (lane == 0) r.out[0][row] = static_cast<T>(best);
    } else {
      const T value = kth_largest_of_row(x, *r.in[1], columns, lane);
      if (lane == 0) r.out[0][row] = value;
    }
  }
}

template <class T>
using RowKernel = void (*)(Rows<T>);

template <class T>
RowKernel<T> row_kernel_of(const std::string& kind) {
  static const std::map<std::string, RowKernel<T>> kernels{
      {"softmax", row_kernel<RowKind::softmax, T>},
      {"log_softmax", row_kernel<RowKind::log_softmax, T>},
      {"softmax_gradient", row_kernel<RowKind::softmax_gradient, T>},
      {"log_softmax_gradient", row_kernel<RowKind::log_softmax_gradient, T>},
      {"crossentropy", row_kernel<RowKind::crossentropy, T>},
      {"sparse_crossentropy", row_kernel<RowKind::sparse_crossentropy, T>},
      {"crossentropy_gradient", row_kernel<RowKind::crossentropy_gradient, T>},
      {"sparse_crossentropy_gradient", row_kernel<RowKind::sparse_crossentropy_gradient, T>},
      {"argmax", row_kernel<RowKind::argmax, T>},
      {"kth_largest", row_kernel<RowKind::kth_largest, T>}};
  return kernels.at(kind);
}

// Input 0 is (rows, columns); every other input and output is that, or one number a row; an input may be one number.
template <class T>
class RowStep : public Step<T> {
 public:
  explicit RowStep(const StepSource<T>& source) : source_(source), kernel_(row_kernel_of<T>(source.operation.kind)) {}

  void bind(int64_t rows) override {
    const Shape& shape = source_.shape(source_.input(0));
    all_.columns = shape.extent(shape.rank() - 1, rows);
    all_.rows = shape.size(rows) / all_.columns;
    for (size_t i = 0; i < source_.operation.inputs.size(); ++i) all_.in[i] = source_.at(source_.input(i));
    for (size_t i = 0; i < source_.operation.outputs.size(); ++i) all_.out[i] = source_.at(source_.output(i));
  }

  void enqueue(cudaStream_t stream) override {
    launch(stream, std::min(divide_up(all_.rows * kWarp, kThreads), kMostBlocks), kThreads, kernel_, all_);
  }

 private:
  StepSource<T> source_;
  RowKernel<T> kernel_;
  Rows<T> all_{};
};

}  // namespace

template <class T>
StepPointer<T> make_row_step(const StepSource<T>& source) {
  return std::make_unique<RowStep<T>>(source);
}

template StepPointer<float> make_row_step(const StepSource<float>&);
template StepPointer<double> make_row_step(const StepSource<double>&);

}  // namespace ganglion::cuda
