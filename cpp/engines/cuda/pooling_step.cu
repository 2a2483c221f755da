// Windows over images, channels last: a thread for each element of the result, which reads what it is made of. So the
// ways back add nothing up in memory, and have one order.
#include "engines/cuda/expression.h"
#include "program/rule.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 8192;

enum class PoolingKind : int32_t { max_pool, max_pool_gradient, window_sum, window_spread };

struct Axis {
  int32_t image, windows, window, stride, before;
};

template <class T>
struct Pooling {
  const T* in[2];
  T* place;  // of max_pool; may be null
  T* out;    // null: the code follows at once
  Axis rows, columns;
  int32_t channels;
  int64_t elements;
};

template <class T, class Visit>
GANGLION_DEVICE void each_tap(const Pooling<T>& p, int64_t image, int32_t row, int32_t column, int32_t channel,
                              Visit visit) {
  for (int32_t r = 0; r < p.rows.window; ++r) {
    const int32_t y = row * p.rows.stride - p.rows.before + r;
    if (y < 0 || y >= p.rows.image) continue;
    for (int32_t c = 0; c < p.columns.window; ++c) {
      const int32_t x = column * p.columns.stride - p.columns.before + c;
      if (x < 0 || x >= p.columns.image) continue;
      visit(((image * p.rows.image + y) * p.columns.image + x) * p.channels + channel, r * p.columns.window + c);
    }
  }
}

// The windows that an element of the image lies in: visit(element of the windows, place in that window).
template <class T, class Visit>
GANGLION_DEVICE void each_window(const Pooling<T>& p, int64_t image, int32_t row, int32_t column, int32_t channel,
                                 Visit visit) {
  for (int32_t r = (row + p.rows.before) % p.rows.stride; r < p.rows.window; r += p.rows.stride) {
    const int32_t y = (row + p.rows.before - r) / p.rows.stride;
    if (row + p.rows.before - r < 0 || y >= p.rows.windows) continue;
    for (int32_t c = (column + p.columns.before) % p.columns.stride; c < p.columns.window; c += p.columns.stride) {
      const int32_t x = (column + p.columns.before - c) / p.columns.stride;
      if (column + p.columns.before - c < 0 || x >= p.columns.windows) continue;
      visit(((image * p.rows.windows + y) * p.columns.windows + x) * p.channels + channel, r * p.columns.window + c);
    }
  }
}

template <PoolingKind kind, class T>
__global__ void __launch_bounds__(kThreads)
    pooling_kernel(const __grid_constant__ Pooling<T> p, const __grid_constant__ ShortNarrowCode<T> code,
                   const Control* control) {
  constexpr bool is_back = kind == PoolingKind::max_pool_gradient || kind == PoolingKind::window_spread;
  for (int64_t at = thread_of_grid(); at < p.elements; at += threads_of_grid()) {
    const int32_t height = is_back ? p.rows.image : p.rows.windows;
    const int32_t width = is_back ? p.columns.image : p.columns.windows;
    const int32_t channel = static_cast<int32_t>(at % p.channels);
    const int64_t pixel = at / p.channels;
    const int32_t column = static_cast<int32_t>(pixel % width), row = static_cast<int32_t>(pixel / width % height);
    const int64_t image = pixel / width / height;
    T result = 0;
    if constexpr (kind == PoolingKind::max_pool) {
      T place = 0;
      bool is_first = true;  // NaN is larger than any number, and of equal ones the first counts
      each_tap(p, image, row, column, channel, [&](int64_t from, int32_t number) {
        const T x = p.in[0][from];
        if (!is_first && (x <= result || result != result)) return;
        result = x;
        place = static_cast<T>(number);
        is_first = false;
      });
      if (p.place) p.place[at] = place;
    } else if constexpr (kind == PoolingKind::window_sum) {
      each_tap(p, image, row, column, channel, [&](int64_t from, int32_t) { result += p.in[0][from]; });
    } else if constexpr (kind == PoolingKind::max_pool_gradient) {
      each_window(p, image, row, column, channel, [&](int64_t from, int32_t number) {
        if (p.in[0][from] == static_cast<T>(number)) result += p.in[1][from];
      });
    } else {
      each_window(p, image, row, column, channel, [&](int64_t from, int32_t) { result += p.in[0][from]; });
    }
    if (p.out) {
      p.out[at] = result;
    } else {
      evaluate(code, control, at, 1, &result);
    }
  }
}

template <class T>
using PoolingKernel = void (*)(Pooling<T>, ShortNarrowCode<T>, const Control*);

template <class T>
PoolingKernel<T> pooling_kernel_of(const std::string& kind) {
  if (kind == "max_pool") return pooling_kernel<PoolingKind::max_pool, T>;
  if (kind == "max_pool_gradient") return pooling_kernel<PoolingKind::max_pool_gradient, T>;
  if (kind == "window_sum") return pooling_kernel<PoolingKind::window_sum, T>;
  return pooling_kernel<PoolingKind::window_spread, T>;
}

template <class T>
class PoolingStep : public Step<T> {
 public:
  explicit PoolingStep(const StepSource<T>& source)
      : source_(source),
        kernel_(pooling_kernel_of<T>(source.operation.kind)),
        operands_(static_cast<size_t>(find_rule(source.operation.kind).arity)),
        gives_places_(source.operation.kind == "max_pool"),
        code_(ExpressionCode<T>::epilogue(source.program, first_output(source.operation), operands_)) {
    const Operation& operation = source.operation;
    const bool back = operation.attributes.count("size") != 0;
    const std::vector<int64_t>& in = source.shape(source.input(0)).dims;
    const std::vector<int64_t> out = operation.expression.instructions.empty() ? source.shape(source.output()).dims
                                                                               : operation.expression.shape.dims;
    const std::vector<int64_t>& image = back ? out : in;
    const std::vector<int64_t>& windows = back ? in : out;
    Axis* const axes[] = {&pooling_.rows, &pooling_.columns};
    for (size_t axis = 0; axis < 2; ++axis) {
      // A longer stride leads nowhere.
      const int64_t stride = std::min<int64_t>(attribute_list(operation, "strides")[axis], INT32_MAX / 4);
      *axes[axis] = {narrow(image[axis + 1]), narrow(windows[axis + 1]),
                     narrow(attribute_list(operation, "window")[axis]), static_cast<int32_t>(stride),
                     narrow(attribute_list(operation, "before")[axis])};
    }
    pooling_.channels = narrow(image[3]);
    out_size_ = out[1] * out[2] * out[3];
  }

  void bind(int64_t rows) override {
    for (size_t i = 0; i < operands_; ++i) pooling_.in[i] = source_.at(source_.input(i));
    pooling_.elements = source_.shape(source_.input(0)).extent(0, rows) * out_size_;
    pooling_.place = gives_places_ ? source_.at(source_.output(1)) : nullptr;
    code_.bind(rows, source_.memory);
    if (!code_.is_short()) source_.memory.require_scratch(pooling_.elements);
  }

  void enqueue(cudaStream_t stream) override {
    const bool is_short = code_.is_short();
    pooling_.out = is_short ? nullptr : source_.memory.scratch();
    launch(stream, std::min(divide_up(pooling_.elements, kThreads), kMostBlocks), kThreads, kernel_, pooling_,
           is_short ? code_.short_narrow_code() : ShortNarrowCode<T>{}, source_.memory.control);
    if (!is_short) code_.enqueue(stream, source_.memory.control, pooling_.out);
  }

 private:
  static int32_t narrow(int64_t size) {
    check(size <= INT32_MAX / 4, "[cuda] pooling along ", size, " elements is too large");
    return static_cast<int32_t>(size);
  }

  // max_pool has places beside its values, and no epilogue.
  static Operation first_output(Operation operation) {
    if (operation.expression.instructions.empty()) operation.outputs.resize(1);
    return operation;
  }

  StepSource<T> source_;
  PoolingKernel<T> kernel_;
  const size_t operands_;
  const bool gives_places_;
  ExpressionCode<T> code_;
  Pooling<T> pooling_{};
  int64_t out_size_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_pooling_step(const StepSource<T>& source) {
  return std::make_unique<PoolingStep<T>>(source);
}

template StepPointer<float> make_pooling_step(const StepSource<float>&);
template StepPointer<double> make_pooling_step(const StepSource<double>&);

}  // namespace ganglion::cuda
