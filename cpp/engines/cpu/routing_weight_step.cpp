// The gradient of a routing's weights: a sum over the batch, panel by panel, each of which a thread adds up alone.
#include "engines/cpu/epilogue.h"
#include "engines/cpu/routing_panels.h"

namespace ganglion {

namespace {

template <class T>
class RoutingWeightStep : public Step<T> {
 public:
  explicit RoutingWeightStep(const StepSource<T>& source)
      : source_(source),
        sizes_(routing_sizes(source.program, source.operation)),
        chunk_(routing_chunk(sizes_)),
        part_size_(padded_size(kBlockSamples * chunk_)),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {}

  void bind(int64_t rows) override {
    samples_ = sizes_.batch * (sizes_.batched ? rows : 1);
    products_.clear();
    for (int64_t block : {std::min(samples_, kBlockSamples), samples_ % kBlockSamples}) {
      for (int64_t inputs : {chunk_, sizes_.inputs % chunk_}) {
        if (block > 0 && inputs > 0) products_.prepare(product_of(block, inputs));
      }
    }
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    sums_ = place_ < 0 ? sizes_.input_dim * padded_size(chunk_ * sizes_.dim) : 0;
    const int64_t after = epilogue_ ? epilogue_->scratch_elements() : 0;
    source_.memory.require_scratch(2 * part_size_ + sums_ + std::max(products_.workspace(), after));
  }

  int64_t chunks(int) const override { return sizes_.capsules * chunk_count(sizes_.inputs, chunk_); }

  // The matrices of a capsule for some input capsules.
  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t of_capsule = chunk_count(sizes_.inputs, chunk_);
    const int64_t capsule = chunk / of_capsule, i = chunk % of_capsule * chunk_;
    const int64_t inputs = std::min(chunk_, sizes_.inputs - i);
    T* const local = source_.memory.thread_scratch(thread);
    T* const scratch = local + 2 * part_size_ + sums_;
    const auto row = [&](int64_t k) { return (capsule * sizes_.input_dim + k) * sizes_.inputs + i; };
    const auto sum = [&](int64_t k) {
      return place_ < 0 ? local + 2 * part_size_ + k * padded_size(chunk_ * sizes_.dim)
                        : source_.at(place_) + row(k) * sizes_.dim;
    };
    for (int64_t sample = 0; sample < samples_; sample += kBlockSamples) {
      const int64_t samples = std::min(kBlockSamples, samples_ - sample);
      T* const c = local + part_size_;
      const T* const all_c = source_.at(source_.input(0)) + (sample * sizes_.capsules + capsule) * sizes_.inputs + i;
      for (int64_t s = 0; s < samples; ++s) {
        std::copy_n(all_c + s * sizes_.capsules * sizes_.inputs, inputs, c + s * inputs);
      }
      for (int64_t k = 0; k < sizes_.input_dim; ++k)
        add_samples(sum(k), capsule, k, i, inputs, sample, samples, local, c, scratch);
    }
    if (!epilogue_) return;
    for (int64_t k = 0; k < sizes_.input_dim; ++k) {
      Block<T> done{row(k), row(k) + inputs, 0, sizes_.dim};
      if (place_ < 0) {
        done.first = sum(k);
        done.first_row = sizes_.dim;
      }
      epilogue_->run_block(done, scratch, key);
    }
  }

 private:
  Matmul<T> product_of(int64_t samples, int64_t inputs) const {
    return {inputs, sizes_.dim, samples, nullptr, 1, inputs, nullptr, sizes_.outputs(), 1, nullptr, sizes_.dim, false};
  }

  // sum (+)= (c u)' v over a block of samples.
  void add_samples(T* sum, int64_t capsule, int64_t k, int64_t i, int64_t inputs, int64_t sample, int64_t samples,
                   T* product, const T* c, T* scratch) {
    const T* const u = source_.at(source_.input(1)) + (sample * sizes_.input_dim + k) * sizes_.inputs + i;
    for (int64_t s = 0; s < samples; ++s) {
      multiply_(product + s * inputs, u + s * sizes_.columns(), c + s * inputs, inputs, false);
    }
    Matmul<T> of_block = product_of(samples, inputs);
    of_block.a = product;
    of_block.b = source_.at(source_.input(2)) + sample * sizes_.outputs() + capsule * sizes_.dim;
    of_block.c = sum;
    of_block.accumulate = sample > 0;
    products_.run(of_block, scratch);
  }

  StepSource<T> source_;
  const RoutingSizes sizes_;
  const int64_t chunk_, part_size_;  // input capsules at once; elements of a block of samples for each of them
  const int place_;
  std::optional<ExpressionRunner<T>> epilogue_;
  PlannedProducts<T> products_;
  const decltype(KernelTable<T>::multiply) multiply_ = kernels<T>().multiply;
  int64_t samples_ = 0, sums_ = 0;
};

}  // namespace

template <class T>
StepPointer<T> make_routing_weight_step(const StepSource<T>& source) {
  return std::make_unique<RoutingWeightStep<T>>(source);
}

template StepPointer<float> make_routing_weight_step(const StepSource<float>&);
template StepPointer<double> make_routing_weight_step(const StepSource<double>&);

}  // namespace ganglion
