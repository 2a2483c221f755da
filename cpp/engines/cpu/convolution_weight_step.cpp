// The gradient of a convolution's weights: a sum over the batch, in parts that depend on the sizes alone.
#include <algorithm>

#include "core/buffer.h"
#include "engines/cpu/epilogue.h"
#include "program/convolution.h"

namespace ganglion {

namespace {

// Parts of the batch that are summed at once, fewer where the sums would take too much memory; then the filters are
// parted too.
constexpr int64_t kParts = 16, kSumElements = 4 << 20;
constexpr int64_t kFilters = 64;

template <class T>
class ConvolutionWeightStep : public Step<T> {
 public:
  explicit ConvolutionWeightStep(const StepSource<T>& source)
      : source_(source),
        kernels_(kernels<T>()),
        sizes_(convolution_sizes(source.program, source.operation)),
        cut_(kernels_.convolution_weight_cut(sizes_)),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {
    const int64_t runs = sizes_.joins_columns() ? sizes_.rows.kernel : sizes_.taps();
    run_ = sizes_.taps() * sizes_.group_channels() / runs;
    run_rows_ = kernels_.convolution_sum_rows(sizes_);
    sums_ = runs * run_rows_ * sizes_.filters;
  }

  void bind(int64_t rows) override {
    images_ = source_.shape(source_.input(0)).extent(0, rows);
    x_ = source_.at(source_.input(0));
    d_y_ = source_.at(source_.input(1));
    parts_ = std::max<int64_t>(1, std::min({kParts, images_, kSumElements / sums_}));
    const bool parted = sizes_.groups == 1 && parts_ < kParts && sizes_.filters > kFilters;
    block_filters_ = parted ? kFilters : sizes_.is_depthwise() ? sizes_.filters : sizes_.group_filters();
    blocks_ = chunk_count(sizes_.filters, block_filters_);
    all_sums_.require(parts_ * sums_);
    out_ = place_ < 0 ? nullptr : source_.at(place_);
    chunk_rows_ = std::max<int64_t>(1, kChunkElements / (sizes_.filters * parts_));
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    product_size_ = place_ < 0 ? padded_size(chunk_rows_ * sizes_.filters) : 0;
    const int64_t after = epilogue_ ? epilogue_->scratch_elements() : 0;
    source_.memory.require_scratch(std::max(cut_.thread_workspace, product_size_ + after));
  }

  int phases() const override { return 2; }

  int64_t chunks(int phase) const override {
    return phase == 0 ? parts_ * blocks_ : chunk_count(weight_rows(), chunk_rows_);
  }

  void run(int phase, int64_t chunk, int thread, const RunKey& key) override {
    T* const scratch = source_.memory.thread_scratch(thread);
    if (phase == 0) {
      const int64_t part = chunk / blocks_, block = chunk % blocks_, first = block * block_filters_;
      const int64_t image = images_ * part / parts_, end = images_ * (part + 1) / parts_;
      kernels_.convolution_weight_gradient(sizes_, cut_, end - image, first, filters_of(block), sums_at(part, block),
                                           x_ + image * sizes_.image(), d_y_ + image * sizes_.result(), scratch);
      return;
    }
    const int64_t begin = chunk * chunk_rows_, end = std::min(begin + chunk_rows_, weight_rows());
    T* const to = place_ < 0 ? scratch : out_ + begin * sizes_.filters;
    for (int64_t row = begin; row < end; ++row) add_up(to + (row - begin) * sizes_.filters, row);
    if (!epilogue_) return;
    // The epilogue's last axis is the filters, whatever is before it.
    Block<T> done{begin, end, 0, sizes_.filters};
    if (place_ < 0) {
      done.first = to;
      done.first_row = sizes_.filters;
    }
    epilogue_->run_block(done, scratch + product_size_, key);
  }

  int64_t own_elements() const override { return all_sums_.size(); }

 private:
  int64_t weight_rows() const { return sizes_.taps() * sizes_.group_channels(); }
  int64_t filters_of(int64_t block) const { return std::min(block_filters_, sizes_.filters - block * block_filters_); }
  T* sums_at(int64_t part, int64_t block) {
    return all_sums_.data() + part * sums_ + sums_ / sizes_.filters * block * block_filters_;
  }

  // A row of the weights from the sums of all parts.
  void add_up(T* to, int64_t row) {
    const auto add = kernels_.elementwise[static_cast<size_t>(Opcode::add)];
    const int64_t place = row / run_ * run_rows_ + row % run_;
    for (int64_t block = 0; block < blocks_; ++block, to += block_filters_) {
      const int64_t filters = filters_of(block);
      std::copy_n(sums_at(0, block) + place * filters, filters, to);
      for (int64_t part = 1; part < parts_; ++part) {
        add(to, to, sums_at(part, block) + place * filters, nullptr, filters);
      }
    }
  }

  StepSource<T> source_;
  const KernelTable<T>& kernels_;
  const ConvolutionSizes sizes_;
  const ConvolutionCut cut_;
  const int place_;
  std::optional<ExpressionRunner<T>> epilogue_;
  Buffer<T> all_sums_;                         // (part, block, run, row of the run, filter of the block)
  int64_t run_ = 0, run_rows_ = 0, sums_ = 0;  // rows of the weights in a run, with those that fill it up; all sums
  int64_t images_ = 0, parts_ = 1, block_filters_ = 1, blocks_ = 1;
  int64_t chunk_rows_ = 1, product_size_ = 0;
  const T* x_ = nullptr;
  const T* d_y_ = nullptr;
  T* out_ = nullptr;
};

}  // namespace

template <class T>
StepPointer<T> make_convolution_weight_step(const StepSource<T>& source) {
  return std::make_unique<ConvolutionWeightStep<T>>(source);
}

template StepPointer<float> make_convolution_weight_step(const StepSource<float>&);
template StepPointer<double> make_convolution_weight_step(const StepSource<double>&);

}  // namespace ganglion
