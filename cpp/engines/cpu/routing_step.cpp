// Agreements, sums and input gradients of a routing: samplewise. Predictions are computed where they are needed, again
// and again, which is faster than to read them from memory.
#include "engines/cpu/routing_parts.h"

namespace ganglion {

namespace {

// Samples of a chunk, where they are not in ranges.
constexpr int64_t kChunkSamples = 16;

template <class T>
class RoutingStep : public Step<T> {
 public:
  explicit RoutingStep(const StepSource<T>& source)
      : source_(source),
        multiply_(kernels<T>().multiply),
        sizes_(routing_sizes(source.program, source.operation)),
        part_inputs_(inputs_of_part(sizes_)),
        part_size_(padded_size(kPartSamples * part_inputs_)) {}

  void bind(int64_t rows) override {
    const int64_t samples = sizes_.batch * (sizes_.batched ? rows : 1);
    if (samples != samples_) products_.clear();  // those of ranges are kept for the same rows
    samples_ = samples;
    of_row_ = samples_ / rows;
    prepare(kChunkSamples);
    prepare(samples_ % kChunkSamples);
  }

  int64_t chunks(int) const override { return chunk_count(samples_, kChunkSamples); }

  void run(int, int64_t chunk, int thread, const RunKey&) override {
    const int64_t begin = chunk * kChunkSamples;
    run_samples(begin, std::min(begin + kChunkSamples, samples_), {}, thread);
  }

  void bind_range(int64_t fewest) override {
    prepare(fewest * of_row_);
    prepare((fewest + 1) * of_row_);
  }

  void run_range(const Range& range, const RunKey&) override {
    run_samples(range.begin * of_row_, range.end * of_row_, range, range.thread);
  }

 private:
  // Of some samples with the matrices of a capsule for some input capsules, in one of their dimensions.
  Matmul<T> product_of(int64_t samples, int64_t inputs) const {
    const int64_t dim = sizes_.dim;
    if (sizes_.result == kOutputs) {
      return {samples, dim, inputs, nullptr, inputs, 1, nullptr, dim, 1, nullptr, sizes_.outputs(), false};
    }
    return {samples, inputs, dim, nullptr, sizes_.outputs(), 1, nullptr, 1, dim, nullptr, inputs, false};
  }

  void prepare(int64_t samples) {
    products_.prepare(sizes_, samples, [&](int64_t some, int64_t inputs) { return product_of(some, inputs); });
    source_.memory.require_scratch((sizes_.input_dim + 2) * part_size_ + products_.workspace());
  }

  // A factor's element 0 of the first sample, in the memory of the range.
  T* factor(RoutingFactor which, const Range& range) const {
    const int value = which == sizes_.result ? source_.output() : source_.input(sizes_.place(which));
    return source_.at(value) + source_.shift(value, range);
  }

  void run_samples(int64_t begin, int64_t end, const Range& range, int thread) {
    for (int64_t i = 0; i < sizes_.inputs; i += part_inputs_) {
      for (int64_t sample = begin; sample < end; sample += kPartSamples) {
        run_part({sample, std::min(kPartSamples, end - sample), i, std::min(part_inputs_, sizes_.inputs - i)}, range,
                 thread);
      }
    }
  }

  // In scratch memory a product, then the part's c of a capsule, (samples, inputs), and u, (input_dim, samples,
  // inputs).
  void run_part(const RoutingPart& part, const Range& range, int thread) {
    T* const product = source_.memory.thread_scratch(thread);
    T* const c = product + part_size_;
    T* const u = c + part_size_;
    T* const all_u = factor(kCapsules, range) + part.sample * sizes_.columns() + part.i;
    T* const all_c = factor(kCoupling, range) + part.sample * sizes_.capsules * sizes_.inputs + part.i;
    const int64_t u_row = sizes_.columns(), c_row = sizes_.capsules * sizes_.inputs;
    for (int64_t k = 0; k < sizes_.input_dim && sizes_.result != kCapsules; ++k) {
      copy_part(part, u + k * part_size_, part.inputs, all_u + k * sizes_.inputs, u_row);
    }
    for (int64_t capsule = 0; capsule < sizes_.capsules; ++capsule) {
      T* const of_capsule = all_c + capsule * sizes_.inputs;
      if (sizes_.result != kCoupling) copy_part(part, c, part.inputs, of_capsule, c_row);
      for (int64_t k = 0; k < sizes_.input_dim; ++k) run_product(part, capsule, k, product, c, u, range);
      if (sizes_.result == kCoupling) copy_part(part, of_capsule, c_row, c, part.inputs);
    }
    for (int64_t k = 0; k < sizes_.input_dim && sizes_.result == kCapsules; ++k) {
      copy_part(part, all_u + k * sizes_.inputs, u_row, u + k * part_size_, part.inputs);
    }
  }

  void run_product(const RoutingPart& part, int64_t capsule, int64_t k, T* product, T* c, T* all_u,
                   const Range& range) {
    T* const u = all_u + k * part_size_;
    T* const scratch = all_u + sizes_.input_dim * part_size_;
    T* const v = factor(kOutputs, range) + part.sample * sizes_.outputs() + capsule * sizes_.dim;
    Matmul<T> multiplied = product_of(part.samples, part.inputs);
    multiplied.b = source_.at(source_.input(sizes_.place(kWeights))) +
                   ((capsule * sizes_.input_dim + k) * sizes_.inputs + part.i) * sizes_.dim;
    if (sizes_.result == kOutputs) {
      multiply_(product, u, c, part.size(), false);
      multiplied.a = product;
      multiplied.c = v;
      multiplied.accumulate = part.i > 0 || k > 0;
      return products_.run(multiplied, scratch);
    }
    multiplied.a = v;
    multiplied.c = product;
    products_.run(multiplied, scratch);
    if (sizes_.result == kCoupling) {
      multiply_(c, product, u, part.size(), k > 0);
    } else {
      multiply_(u, product, c, part.size(), capsule > 0);
    }
  }

  StepSource<T> source_;
  const decltype(KernelTable<T>::multiply) multiply_;
  const RoutingSizes sizes_;
  const int64_t part_inputs_, part_size_;  // of the largest part
  PlannedProducts<T> products_;
  int64_t samples_ = 0, of_row_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_routing_step(const StepSource<T>& source) {
  return std::make_unique<RoutingStep<T>>(source);
}

template StepPointer<float> make_routing_step(const StepSource<float>&);
template StepPointer<double> make_routing_step(const StepSource<double>&);

}  // namespace ganglion
