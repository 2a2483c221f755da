// The products of the routing of capsules, see program/routing.cpp. Two of them are products of matrices for each
// capsule, one factor of which is made as it is read; in the other two a thread sums what one number is made of.
#include "engines/cuda/product.h"
#include "program/routing.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 8192;

template <class T>
struct Factors {
  const T *c, *u, *weights, *v;
  int64_t samples, capsules, inputs, input_dim, dim;

  GANGLION_DEVICE T weighted(int64_t sample, int64_t capsule, int64_t k_and_input) const {
    return c[(sample * capsules + capsule) * inputs + k_and_input % inputs] *
           u[sample * input_dim * inputs + k_and_input];
  }
};

// (n, j, d): for capsule j rows n, k the pairs (dimension, input), columns d.
template <class T>
struct Sum {
  Factors<T> f;
  static constexpr bool a_along_k = true, b_along_k = false;
  GANGLION_DEVICE T a(int64_t capsule, int64_t row, int64_t k) const { return f.weighted(row, capsule, k); }
  GANGLION_DEVICE T b(int64_t capsule, int64_t k, int64_t column) const {
    return f.weights[(capsule * f.input_dim * f.inputs + k) * f.dim + column];
  }
};

// (j, k, i, d): for capsule j rows the pairs, k the samples, columns d.
template <class T>
struct WeightGradient {
  Factors<T> f;
  static constexpr bool a_along_k = false, b_along_k = false;
  GANGLION_DEVICE T a(int64_t capsule, int64_t row, int64_t k) const { return f.weighted(k, capsule, row); }
  GANGLION_DEVICE T b(int64_t capsule, int64_t k, int64_t column) const {
    return f.v[(k * f.capsules + capsule) * f.dim + column];
  }
};

// sum over d of W(j, k, i, d) v(n, j, d)
template <class T>
GANGLION_DEVICE T prediction(const Factors<T>& f, int64_t sample, int64_t capsule, int64_t k, int64_t input) {
  const T* const weights = f.weights + ((capsule * f.input_dim + k) * f.inputs + input) * f.dim;
  const T* const v = f.v + (sample * f.capsules + capsule) * f.dim;
  T sum = 0;
  for (int64_t d = 0; d < f.dim; ++d) sum = std::fma(weights[d], v[d], sum);
  return sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads) agreement_kernel(T* out, const __grid_constant__ Factors<T> f) {
  const int64_t elements = f.samples * f.capsules * f.inputs;
  for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) {
    const int64_t input = at % f.inputs, capsule = at / f.inputs % f.capsules, sample = at / f.inputs / f.capsules;
    T sum = 0;
    for (int64_t k = 0; k < f.input_dim; ++k) {
      sum = std::fma(prediction(f, sample, capsule, k, input), f.u[(sample * f.input_dim + k) * f.inputs + input], sum);
    }
    out[at] = sum;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) input_gradient_kernel(T* out, const __grid_constant__ Factors<T> f) {
  const int64_t elements = f.samples * f.input_dim * f.inputs;
  for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) {
    const int64_t input = at % f.inputs, k = at / f.inputs % f.input_dim, sample = at / f.inputs / f.input_dim;
    T sum = 0;
    for (int64_t capsule = 0; capsule < f.capsules; ++capsule) {
      sum = std::fma(prediction(f, sample, capsule, k, input), f.c[(sample * f.capsules + capsule) * f.inputs + input],
                     sum);
    }
    out[at] = sum;
  }
}

template <class T>
class RoutingStep : public Step<T> {
 public:
  explicit RoutingStep(const StepSource<T>& source)
      : source_(source),
        sizes_(routing_sizes(source.program, source.operation)),
        runner_(source.program, source.operation) {}

  void bind(int64_t rows) override {
    const auto factor = [&](RoutingFactor which) -> const T* {
      return which == sizes_.result ? nullptr : source_.at(source_.input(sizes_.place(which)));
    };
    factors_ = {factor(kCoupling),
                factor(kCapsules),
                factor(kWeights),
                factor(kOutputs),
                sizes_.batch * (sizes_.batched ? rows : 1),
                sizes_.capsules,
                sizes_.inputs,
                sizes_.input_dim,
                sizes_.dim};
    ProductSizes product;
    product.batch = sizes_.capsules;
    product.n = sizes_.dim;
    if (sizes_.result == kOutputs) {
      product.m = factors_.samples;
      product.k = sizes_.columns();
      product.result_batch = sizes_.dim;
      product.result_row = sizes_.outputs();
    } else {
      product.m = sizes_.columns();
      product.k = factors_.samples;
      product.result_batch = sizes_.columns() * sizes_.dim;
      product.result_row = sizes_.dim;
    }
    if (is_product()) runner_.bind(product, rows, source_.memory);
  }

  void enqueue(cudaStream_t stream) override {
    if (sizes_.result == kOutputs) return runner_.enqueue(stream, Sum<T>{factors_});
    if (sizes_.result == kWeights) return runner_.enqueue(stream, WeightGradient<T>{factors_});
    const bool is_agreement = sizes_.result == kCoupling;
    const int64_t elements =
        factors_.samples * factors_.inputs * (is_agreement ? factors_.capsules : factors_.input_dim);
    launch(stream, std::min(divide_up(elements, kThreads), kMostBlocks), kThreads,
           is_agreement ? agreement_kernel<T> : input_gradient_kernel<T>, source_.at(source_.output()), factors_);
  }

 private:
  bool is_product() const { return sizes_.result == kOutputs || sizes_.result == kWeights; }

  StepSource<T> source_;
  const RoutingSizes sizes_;
  ProductRunner<T> runner_;
  Factors<T> factors_{};
};

}  // namespace

template <class T>
StepPointer<T> make_routing_step(const StepSource<T>& source) {
  return std::make_unique<RoutingStep<T>>(source);
}

template StepPointer<float> make_routing_step(const StepSource<float>&);
template StepPointer<double> make_routing_step(const StepSource<double>&);

}  // namespace ganglion::cuda
