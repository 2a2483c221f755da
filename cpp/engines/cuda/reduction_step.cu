// Sums and maxima: x (outer, reduced, inner) to (outer, inner), in parts of a length that the sizes decide, then over
// the parts, each in order.
#include "engines/cuda/functions.h"
#include "engines/cuda/step.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kPart = 64;              // elements that one thread adds up
constexpr int64_t kManyResults = 1 << 15;  // from which on there is a thread for each
constexpr int64_t kMostBlocks = 8192;

template <class T>
struct Reduction {
  const T* x;
  T* out;
  int64_t outer, reduced, inner, parts, part;
  bool is_sum;
};

template <class T>
GANGLION_DEVICE T combined(bool is_sum, T a, T b) {
  return is_sum ? a + b : Functions<T>::maximum(a, b);
}

// out (outer, parts, inner): each part by a thread. Neighbouring threads read neighbours where inner > 1.
template <class T>
__global__ void __launch_bounds__(kThreads) reduce_kernel(const __grid_constant__ Reduction<T> r) {
  for (int64_t at = thread_of_grid(); at < r.outer * r.parts * r.inner; at += threads_of_grid()) {
    const int64_t column = at % r.inner, part = at / r.inner % r.parts, row = at / r.inner / r.parts;
    const int64_t begin = part * r.part, end = begin + r.part < r.reduced ? begin + r.part : r.reduced;
    const T* from = r.x + (row * r.reduced + begin) * r.inner + column;
    T result = *from;
    for (int64_t i = begin + 1; i < end; ++i) {
      from += r.inner;
      result = combined(r.is_sum, result, *from);
    }
    r.out[at] = result;
  }
}

// Of contiguous elements: a part by a warp, each of whose lanes takes every 32nd.
template <class T>
__global__ void __launch_bounds__(kThreads) reduce_rows_kernel(const __grid_constant__ Reduction<T> r) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int64_t at = thread_of_grid() / kWarp; at < r.outer * r.parts; at += threads_of_grid() / kWarp) {
    const int64_t part = at % r.parts, row = at / r.parts;
    const int64_t begin = part * r.part, end = begin + r.part < r.reduced ? begin + r.part : r.reduced;
    const T* const from = r.x + row * r.reduced;
    // A lane without an element of its own takes the first again, which changes no maximum.
    T result = begin + lane < end ? from[begin + lane] : r.is_sum ? T{0} : from[begin];
    for (int64_t i = begin + lane + kWarp; i < end; i += kWarp) result = combined(r.is_sum, result, from[i]);
#pragma unroll
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      result = combined(r.is_sum, result, __shfl_xor_sync(0xffffffffu, result, mask));
    }
    if (lane == 0) r.out[at] = result;
  }
}

template <class T>
class ReductionStep : public Step<T> {
 public:
  explicit ReductionStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override {
    const Shape& shape = source_.shape(source_.input(0));
    const int64_t first = attribute_int(source_.operation, "first"), last = attribute_int(source_.operation, "last");
    whole_ = {source_.at(source_.input(0)),          source_.at(source_.output()), 1, 1, 1, 1, 1,
              source_.operation.kind == "reduce_sum"};
    for (int axis = 0; axis < shape.rank(); ++axis) {
      (axis < first ? whole_.outer : axis <= last ? whole_.reduced : whole_.inner) *= shape.extent(axis, rows);
    }
    whole_.part = part_of(whole_);
    whole_.parts = divide_up(whole_.reduced, whole_.part);
    if (whole_.parts > 1) source_.memory.require_scratch(whole_.outer * whole_.parts * whole_.inner);
  }

  void enqueue(cudaStream_t stream) override {
    if (whole_.parts == 1) return start(stream, whole_);
    Reduction<T> parts = whole_, sums = whole_;
    parts.out = source_.memory.scratch();
    sums.x = parts.out;
    sums.reduced = sums.part = whole_.parts;
    sums.parts = 1;
    start(stream, parts);
    start(stream, sums);
  }

 private:
  static bool by_warps(const Reduction<T>& r) { return r.inner == 1 && r.part > kWarp / 2; }

  static int64_t part_of(const Reduction<T>& r) {
    if (r.inner == 1) return std::max<int64_t>(kWarp * kPart, divide_up(r.reduced, kWarp * kPart));
    // At most kPart parts of kPart elements, longer ones beyond; none where there are threads enough.
    const int64_t shortest = r.outer * r.inner >= kManyResults ? 8 * kPart : kPart;
    return std::max(shortest, divide_up(r.reduced, 16 * kPart));
  }

  static void start(cudaStream_t stream, const Reduction<T>& r) {
    const int64_t threads = r.outer * r.parts * r.inner * (by_warps(r) ? kWarp : 1);
    launch(stream, std::min(divide_up(threads, kThreads), kMostBlocks), kThreads,
           by_warps(r) ? reduce_rows_kernel<T> : reduce_kernel<T>, r);
  }

  StepSource<T> source_;
  Reduction<T> whole_{};
};

template <class T>
__global__ void set_kernel(T* out, T value) {
  *out = value;
}

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
  void enqueue(cudaStream_t stream) override {
    launch(stream, 1, 1, set_kernel<T>, source_.at(source_.output()), static_cast<T>(size_));
  }

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

}  // namespace ganglion::cuda
