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
        multiply_rows_(kernels<T>().multiply_rows),
        sizes_(routing_sizes(source.program, source.operation)),
        panels_(routing_panels(sizes_)) {
    for (const RoutingPanel& panel : panels_) panel_size_ = std::max(panel_size_, kBlockSamples * panel.columns());
  }

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
  // Of the samples of a block with the matrices of a capsule in a panel.
  Matmul<T> product(int64_t samples, const RoutingPanel& panel) const {
    const int64_t columns = panel.columns(), dim = sizes_.dim;
    if (sizes_.result == kOutputs) {
      return {samples, dim, columns, nullptr, columns, 1, nullptr, dim, 1, nullptr, sizes_.outputs(), false};
    }
    return {samples, columns, dim, nullptr, sizes_.outputs(), 1, nullptr, 1, dim, nullptr, columns, false};
  }

  void prepare(int64_t samples) {
    for (int64_t block : {std::min(samples, kBlockSamples), samples % kBlockSamples}) {
      if (block == 0) continue;
      for (const RoutingPanel& panel : panels_) products_.prepare(product(block, panel));
    }
    source_.memory.require_scratch(padded_size(panel_size_) + products_.workspace());
  }

  // A factor's element 0 of the first sample, in the memory of the range.
  T* factor(RoutingFactor which, const Range& range) const {
    const int value = which == sizes_.result ? source_.output() : source_.input(sizes_.place(which));
    return source_.at(value) + source_.shift(value, range);
  }

  void run_samples(int64_t begin, int64_t end, const Range& range) {
    for (size_t first = 0, last; first < panels_.size(); first = last) {
      for (last = first; last < panels_.size() && panels_[last].i == panels_[first].i;) ++last;
      for (int64_t capsule = 0; capsule < sizes_.capsules; ++capsule) {
        for (int64_t sample = begin; sample < end; sample += kBlockSamples) {
          const int64_t samples = std::min(kBlockSamples, end - sample);
          for (size_t panel = first; panel < last; ++panel) {
            run_panel(panels_[panel], capsule, sample, samples, panel == 0, range);
          }
        }
      }
    }
  }

  void run_panel(const RoutingPanel& panel, int64_t capsule, int64_t sample, int64_t samples, bool is_first,
                 const Range& range) {
    T* const block = source_.memory.thread_scratch(range.thread);
    T* const scratch = block + padded_size(panel_size_);
    const int64_t inputs = sizes_.inputs, columns = panel.columns(), u_row = sizes_.columns();
    const int64_t c_row = sizes_.capsules * inputs;
    // u, c and v, or what is made in their place; where the panel begins.
    const int64_t u_at = sample * u_row + panel.k * inputs + panel.i;
    const int64_t c_at = sample * c_row + capsule * inputs + panel.i;
    const int64_t v_at = sample * sizes_.outputs() + capsule * sizes_.dim;
    const int64_t w_at = ((capsule * sizes_.input_dim + panel.k) * inputs + panel.i) * sizes_.dim;
    const T* const weights = source_.at(source_.input(sizes_.place(kWeights))) + w_at;
    Matmul<T> of_block = product(samples, panel);
    of_block.b = weights;
    if (sizes_.result == kOutputs) {
      const T* const u = factor(kCapsules, range) + u_at;
      const T* const c = factor(kCoupling, range) + c_at;
      for (int64_t k = 0; k < panel.dims; ++k) {
        multiply_rows_(block + k * panel.inputs, columns, u + k * inputs, u_row, c, c_row, samples, panel.inputs,
                       false);
      }
      of_block.a = block;
      of_block.c = factor(kOutputs, range) + v_at;
      of_block.accumulate = !is_first;
      return products_.run(of_block, scratch);
    }
    of_block.a = factor(kOutputs, range) + v_at;
    of_block.c = block;
    products_.run(of_block, scratch);
    const bool is_agreement = sizes_.result == kCoupling;
    T* const u = factor(kCapsules, range) + u_at;
    T* const c = factor(kCoupling, range) + c_at;
    for (int64_t k = 0; k < panel.dims; ++k) {
      const T* const part = block + k * panel.inputs;
      T* const of_u = u + k * inputs;
      if (is_agreement) {
        multiply_rows_(c, c_row, part, columns, of_u, u_row, samples, panel.inputs, panel.k + k > 0);
      } else {
        multiply_rows_(of_u, u_row, part, columns, c, c_row, samples, panel.inputs, capsule > 0);
      }
    }
  }

  StepSource<T> source_;
  const decltype(KernelTable<T>::multiply_rows) multiply_rows_;
  const RoutingSizes sizes_;
  const std::vector<RoutingPanel> panels_;
  PlannedProducts<T> products_;
  int64_t panel_size_ = 0;  // of what a block of samples has to do with a panel
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
