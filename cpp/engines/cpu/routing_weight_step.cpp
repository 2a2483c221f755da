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
        panels_(routing_panels(sizes_)),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {
    for (const RoutingPanel& panel : panels_) most_columns_ = std::max(most_columns_, panel.columns());
  }

  void bind(int64_t rows) override {
    samples_ = sizes_.batch * (sizes_.batched ? rows : 1);
    products_.clear();
    for (int64_t block : {std::min(samples_, kBlockSamples), samples_ % kBlockSamples}) {
      if (block == 0) continue;
      for (const RoutingPanel& panel : panels_) products_.prepare(product(block, panel));
    }
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    block_size_ = padded_size(kBlockSamples * most_columns_);
    sum_size_ = place_ < 0 ? padded_size(most_columns_ * sizes_.dim) : 0;
    const int64_t after = epilogue_ ? epilogue_->scratch_elements() : 0;
    source_.memory.require_scratch(block_size_ + sum_size_ + std::max(products_.workspace(), after));
  }

  int64_t chunks(int) const override { return sizes_.capsules * static_cast<int64_t>(panels_.size()); }

  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t of_capsule = static_cast<int64_t>(panels_.size());
    const int64_t capsule = chunk / of_capsule;
    const RoutingPanel& panel = panels_[static_cast<size_t>(chunk % of_capsule)];
    const int64_t row = (capsule * sizes_.input_dim + panel.k) * sizes_.inputs + panel.i;
    T* const block = source_.memory.thread_scratch(thread);
    T* const sum = place_ < 0 ? block + block_size_ : source_.at(place_) + row * sizes_.dim;
    T* const scratch = block + block_size_ + sum_size_;
    for (int64_t sample = 0; sample < samples_; sample += kBlockSamples) {
      add_samples(sum, panel, capsule, sample, block, scratch);
    }
    if (!epilogue_) return;
    Block<T> done{row, row + panel.columns(), 0, sizes_.dim};
    if (place_ < 0) {
      done.first = sum;
      done.first_row = sizes_.dim;
    }
    epilogue_->run_block(done, scratch, key);
  }

 private:
  Matmul<T> product(int64_t samples, const RoutingPanel& panel) const {
    const int64_t columns = panel.columns();
    return {columns, sizes_.dim,       samples, nullptr, 1,          columns,
            nullptr, sizes_.outputs(), 1,       nullptr, sizes_.dim, false};
  }

  // sum (+)= (c u)' v over a block of samples.
  void add_samples(T* sum, const RoutingPanel& panel, int64_t capsule, int64_t sample, T* block, T* scratch) {
    const int64_t inputs = sizes_.inputs, u_row = sizes_.columns(), c_row = sizes_.capsules * inputs;
    const T* const c = source_.at(source_.input(0)) + sample * c_row + capsule * inputs + panel.i;
    const T* const u = source_.at(source_.input(1)) + sample * u_row + panel.k * inputs + panel.i;
    const int64_t samples = std::min(kBlockSamples, samples_ - sample);
    for (int64_t k = 0; k < panel.dims; ++k) {
      kernels<T>().multiply_rows(block + k * panel.inputs, panel.columns(), u + k * inputs, u_row, c, c_row, samples,
                                 panel.inputs, false);
    }
    Matmul<T> of_block = product(samples, panel);
    of_block.a = block;
    of_block.b = source_.at(source_.input(2)) + sample * sizes_.outputs() + capsule * sizes_.dim;
    of_block.c = sum;
    of_block.accumulate = sample > 0;
    products_.run(of_block, scratch);
  }

  StepSource<T> source_;
  const RoutingSizes sizes_;
  const std::vector<RoutingPanel> panels_;
  const int place_;
  std::optional<ExpressionRunner<T>> epilogue_;
  PlannedProducts<T> products_;
  int64_t samples_ = 0, most_columns_ = 0;
  int64_t block_size_ = 0, sum_size_ = 0;
};

}  // namespace

template <class T>
StepPointer<T> make_routing_weight_step(const StepSource<T>& source) {
  return std::make_unique<RoutingWeightStep<T>>(source);
}

template StepPointer<float> make_routing_weight_step(const StepSource<float>&);
template StepPointer<double> make_routing_weight_step(const StepSource<double>&);

}  // namespace ganglion
