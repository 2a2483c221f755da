// Agreements, sums and input gradients of a routing: samplewise. A block of samples goes through the panels; nothing of
// the size of all predictions is written.
#include "engines/cpu/routing_panels.h"

namespace ganglion {

namespace {

template <class T>
class RoutingStep : public Step<T> {
 public:
  explicit RoutingStep(const StepSource<T>& source)
      : source_(source),
        multiply_(kernels<T>().multiply),
        sizes_(routing_sizes(source.program, source.operation)),
        chunk_(routing_chunk(sizes_)),
        part_size_(padded_size(kBlockSamples * chunk_)) {}

  void bind(int64_t rows) override {
    const int64_t samples = sizes_.batch * (sizes_.batched ? rows : 1);
    if (samples != samples_) products_.clear();  // those of ranges are kept for the same rows
    samples_ = samples;
    of_row_ = samples_ / rows;
    prepare(samples_);
  }

  int64_t chunks(int) const override { return chunk_count(samples_, kBlockSamples); }

  void run(int, int64_t chunk, int thread, const RunKey&) override {
    const int64_t begin = chunk * kBlockSamples;
    run_samples(begin, std::min(begin + kBlockSamples, samples_), {0, 0, thread});
  }

  void bind_range(int64_t fewest) override {
    prepare(fewest * of_row_);
    prepare((fewest + 1) * of_row_);
  }

  void run_range(const Range& range, const RunKey&) override {
    run_samples(range.begin * of_row_, range.end * of_row_, range);
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
    for (int64_t block : {std::min(samples, kBlockSamples), samples % kBlockSamples}) {
      for (int64_t inputs : {chunk_, sizes_.inputs % chunk_}) {
        if (block > 0 && inputs > 0) products_.prepare(product_of(block, inputs));
      }
    }
    source_.memory.require_scratch((sizes_.input_dim + 2) * part_size_ + products_.workspace());
  }

  // A factor's element 0 of the first sample, in the memory of the range.
  T* factor(RoutingFactor which, const Range& range) const {
    const int value = which == sizes_.result ? source_.output() : source_.input(sizes_.place(which));
    return source_.at(value) + source_.shift(value, range);
  }

  void run_samples(int64_t begin, int64_t end, const Range& range) {
    for (int64_t i = 0; i < sizes_.inputs; i += chunk_) {
      for (int64_t sample = begin; sample < end; sample += kBlockSamples) {
        run_block({sample, std::min(kBlockSamples, end - sample), i, std::min(chunk_, sizes_.inputs - i)}, range);
      }
    }
  }

  // Some samples and input capsules. Factors are copied to where they are contiguous: u as (k, sample, i), of c what
  // belongs to a capsule.
  struct Part {
    int64_t sample, samples, i, inputs;
    int64_t size() const { return samples * inputs; }
  };

  void run_block(const Part& part, const Range& range) {
    T* const product = source_.memory.thread_scratch(range.thread);
    T* const c = product + part_size_;
    T* const u = c + part_size_;
    T* const scratch = u + sizes_.input_dim * part_size_;
    T* const all_u = factor(kCapsules, range) + part.sample * sizes_.columns() + part.i;
    T* const all_c = factor(kCoupling, range) + part.sample * sizes_.capsules * sizes_.inputs + part.i;
    if (sizes_.result != kCapsules) copy_u(part, all_u, u, false);
    for (int64_t capsule = 0; capsule < sizes_.capsules; ++capsule) {
      T* const of_capsule = all_c + capsule * sizes_.inputs;
      if (sizes_.result != kCoupling) copy_rows(part, c, part.inputs, of_capsule, sizes_.capsules * sizes_.inputs);
      for (int64_t k = 0; k < sizes_.input_dim; ++k)
        run_product(part, capsule, k, product, c, u + k * part.size(), scratch, range);
      if (sizes_.result == kCoupling) copy_rows(part, of_capsule, sizes_.capsules * sizes_.inputs, c, part.inputs);
    }
    if (sizes_.result == kCapsules) copy_u(part, all_u, u, true);
  }

  void run_product(const Part& part, int64_t capsule, int64_t k, T* product, T* c, T* u, T* scratch,
                   const Range& range) {
    const int64_t size = part.size();
    Matmul<T> multiplied = product_of(part.samples, part.inputs);
    multiplied.b = source_.at(source_.input(sizes_.place(kWeights))) +
                   ((capsule * sizes_.input_dim + k) * sizes_.inputs + part.i) * sizes_.dim;
    T* const v = factor(kOutputs, range) + part.sample * sizes_.outputs() + capsule * sizes_.dim;
    if (sizes_.result == kOutputs) {
      multiply_(product, u, c, size, false);
      multiplied.a = product;
      multiplied.c = v;
      multiplied.accumulate = part.i > 0 || k > 0;
      return products_.run(multiplied, scratch);
    }
    multiplied.a = v;
    multiplied.c = product;
    products_.run(multiplied, scratch);
    if (sizes_.result == kCoupling) {
      multiply_(c, product, u, size, k > 0);
    } else {
      multiply_(u, product, c, size, capsule > 0);
    }
  }

  void copy_rows(const Part& part, T* to, int64_t to_row, const T* from, int64_t from_row) {
    for (int64_t s = 0; s < part.samples; ++s) std::copy_n(from + s * from_row, part.inputs, to + s * to_row);
  }

  void copy_u(const Part& part, T* all, T* u, bool back) {
    for (int64_t k = 0; k < sizes_.input_dim; ++k) {
      T* const there = all + k * sizes_.inputs;
      T* const here = u + k * part.size();
      if (back) {
        copy_rows(part, there, sizes_.columns(), here, part.inputs);
      } else {
        copy_rows(part, here, part.inputs, there, sizes_.columns());
      }
    }
  }

  StepSource<T> source_;
  const decltype(KernelTable<T>::multiply) multiply_;
  const RoutingSizes sizes_;
  const int64_t chunk_, part_size_;  // input capsules at once; elements of a sample and one of their dimensions each
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
