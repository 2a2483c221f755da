// The gradient of a routing's weights: for a capsule and some input capsules at a time, a sum over the batch.
#include "engines/cpu/epilogue.h"
#include "engines/cpu/routing_parts.h"

namespace ganglion {

namespace {

template <class T>
class RoutingWeightStep : public Step<T> {
 public:
  explicit RoutingWeightStep(const StepSource<T>& source)
      : source_(source),
        sizes_(routing_sizes(source.program, source.operation)),
        part_inputs_(inputs_of_part(sizes_)),
        part_size_(padded_size(kPartSamples * part_inputs_)),
        sum_size_(padded_size(part_inputs_ * sizes_.dim)),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {}

  void bind(int64_t rows) override {
    samples_ = sizes_.batch * (sizes_.batched ? rows : 1);
    products_.clear();
    products_.prepare(sizes_, samples_, [&](int64_t some, int64_t inputs) { return product_of(some, inputs); });
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    const int64_t sums = place_ < 0 ? sizes_.input_dim * sum_size_ : 0;
    const int64_t after = epilogue_ ? epilogue_->scratch_elements() : 0;
    scratch_ = 2 * part_size_ + sums;
    source_.memory.require_scratch(scratch_ + std::max(products_.workspace(), after));
  }

  int64_t chunks(int) const override { return sizes_.capsules * chunk_count(sizes_.inputs, part_inputs_); }

  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t parts = chunk_count(sizes_.inputs, part_inputs_), capsule = chunk / parts;
    const int64_t i = chunk % parts * part_inputs_;
    T* const scratch = source_.memory.thread_scratch(thread);
    for (int64_t sample = 0; sample < samples_; sample += kPartSamples) {
      add_samples({sample, std::min(kPartSamples, samples_ - sample), i, std::min(part_inputs_, sizes_.inputs - i)},
                  capsule, scratch);
    }
    for (int64_t k = 0; k < sizes_.input_dim && epilogue_; ++k) {
      const int64_t row = row_of(capsule, k, i);
      Block<T> done{row, row + std::min(part_inputs_, sizes_.inputs - i), 0, sizes_.dim};
      if (place_ < 0) {
        done.first = sum_of(capsule, k, i, scratch);
        done.first_row = sizes_.dim;
      }
      epilogue_->run_block(done, scratch + scratch_, key);
    }
  }

 private:
  Matmul<T> product_of(int64_t samples, int64_t inputs) const {
    return {inputs, sizes_.dim, samples, nullptr, 1, inputs, nullptr, sizes_.outputs(), 1, nullptr, sizes_.dim, false};
  }

  // Of the weights as rows of `dim`.
  int64_t row_of(int64_t capsule, int64_t k, int64_t i) const {
    return (capsule * sizes_.input_dim + k) * sizes_.inputs + i;
  }

  // Where it is added up: in the weights' gradient or, where nothing keeps that, behind two parts of scratch memory.
  T* sum_of(int64_t capsule, int64_t k, int64_t i, T* scratch) const {
    if (place_ < 0) return scratch + 2 * part_size_ + k * sum_size_;
    return source_.at(place_) + row_of(capsule, k, i) * sizes_.dim;
  }

  // Adds (c u)' v of a part, dimension by dimension of the inputs.
  void add_samples(const RoutingPart& part, int64_t capsule, T* scratch) {
    T* const product = scratch;
    T* const c = scratch + part_size_;
    const int64_t c_row = sizes_.capsules * sizes_.inputs;
    copy_part(
        part, c, part.inputs,
        static_cast<const T*>(source_.at(source_.input(0))) + part.sample * c_row + capsule * sizes_.inputs + part.i,
        c_row);
    Matmul<T> multiplied = product_of(part.samples, part.inputs);
    multiplied.a = product;
    multiplied.b = source_.at(source_.input(2)) + part.sample * sizes_.outputs() + capsule * sizes_.dim;
    multiplied.accumulate = part.sample > 0;
    for (int64_t k = 0; k < sizes_.input_dim; ++k) {
      const T* const u = source_.at(source_.input(1)) + part.sample * sizes_.columns() + k * sizes_.inputs + part.i;
      for (int64_t s = 0; s < part.samples; ++s) {
        multiply_(product + s * part.inputs, u + s * sizes_.columns(), c + s * part.inputs, part.inputs, false);
      }
      multiplied.c = sum_of(capsule, k, part.i, scratch);
      products_.run(multiplied, scratch + scratch_);
    }
  }

  StepSource<T> source_;
  const RoutingSizes sizes_;
  const int64_t part_inputs_, part_size_, sum_size_;  // of the largest part
  const int place_;
  std::optional<ExpressionRunner<T>> epilogue_;
  PlannedProducts<T> products_;
  const decltype(KernelTable<T>::multiply) multiply_ = kernels<T>().multiply;
  int64_t samples_ = 0, scratch_ = 0;  // scratch_: elements before what is free
};

}  // namespace

template <class T>
StepPointer<T> make_routing_weight_step(const StepSource<T>& source) {
  return std::make_unique<RoutingWeightStep<T>>(source);
}

template StepPointer<float> make_routing_weight_step(const StepSource<float>&);
template StepPointer<double> make_routing_weight_step(const StepSource<double>&);

}  // namespace ganglion
