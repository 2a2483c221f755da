// Convolutions and the gradients of their inputs: samplewise, with an epilogue.
#include <algorithm>

#include "core/buffer.h"
#include "engines/cpu/epilogue.h"
#include "program/convolution.h"

namespace ganglion {

namespace {

// Results of `images`, band by band, each followed by the epilogue.
template <class T>
class ConvolutionStep : public Step<T> {
 public:
  explicit ConvolutionStep(const StepSource<T>& source)
      : source_(source),
        kernels_(kernels<T>()),
        sizes_(convolution_sizes(source.program, source.operation)),
        is_gradient_(source.operation.kind == "convolution_input_gradient"),
        cut_(is_gradient_ ? kernels_.convolution_input_cut(sizes_) : kernels_.convolution_cut(sizes_)),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {}

  void bind(int64_t rows) override {
    images_ = source_.shape(source_.input(0)).extent(0, rows);
    sample_ = images_ / rows;
    operand_ = source_.at(source_.input(0));
    weights_ = source_.at(source_.input(1));
    const int64_t of_image = is_gradient_ ? sizes_.image() : sizes_.result();
    if (place_ < 0) product_.require(images_ * of_image);
    out_ = place_ < 0 ? product_.data() : source_.at(place_);
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    turned_size_ = is_gradient_ ? padded_size(sizes_.weights()) : 0;
    const int64_t after = epilogue_ ? epilogue_->scratch_elements() : 0;
    source_.memory.require_scratch(turned_size_ + std::max(cut_.thread_workspace, after));
  }

  int64_t chunks(int) const override { return chunk_count(images_, cut_.images) * bands(); }

  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t image = chunk / bands() * cut_.images;
    prepare(thread);
    run_band(image, std::min(image + cut_.images, images_), chunk % bands() * cut_.rows, thread, {}, key);
  }

  void run_range(const Range& range, const RunKey& key) override {
    prepare(range.thread);
    const int64_t end = range.end * sample_;
    for (int64_t image = range.begin * sample_; image < end; image += cut_.images) {
      for (int64_t band = 0; band < bands(); ++band) {
        run_band(image, std::min(image + cut_.images, end), band * cut_.rows, range.thread, range, key);
      }
    }
  }

  int64_t own_elements() const override { return product_.size(); }

 private:
  // A gradient is added up over all results of an image.
  int64_t bands() const { return is_gradient_ ? 1 : chunk_count(sizes_.rows.output, cut_.rows); }

  void prepare(int thread) {
    if (is_gradient_) {
      kernels_.convolution_turn_weights(sizes_, source_.memory.thread_scratch(thread), weights_);
    }
  }

  void run_band(int64_t image, int64_t end, int64_t row, int thread, const Range& range, const RunKey& key) {
    T* const turned = source_.memory.thread_scratch(thread);
    T* const scratch = turned + turned_size_;
    T* const out = out_ + (place_ < 0 ? 0 : source_.shift(place_, range));
    const T* const operand = operand_ + source_.shift(source_.input(0), range);
    int64_t first, rows, columns;  // of the product, as the epilogue sees it
    if (is_gradient_) {
      kernels_.convolution_input_gradient(sizes_, cut_, end - image, out + image * sizes_.image(),
                                          operand + image * sizes_.result(), turned, scratch);
      columns = sizes_.channels;
      rows = (end - image) * sizes_.rows.input * sizes_.columns.input;
      first = image * sizes_.rows.input * sizes_.columns.input;
    } else {
      const ConvolutionBand band{end - image, row, std::min(cut_.rows, sizes_.rows.output - row)};
      columns = sizes_.filters;
      rows = band.images * band.rows * sizes_.columns.output;
      first = (image * sizes_.rows.output + row) * sizes_.columns.output;
      kernels_.convolution(sizes_, band, out + first * columns, operand + image * sizes_.image(), weights_, scratch);
    }
    if (!epilogue_) return;
    Block<T> done{first, first + rows, 0, columns, nullptr, 0, range};
    if (place_ < 0) {
      done.first = out + first * columns;
      done.first_row = columns;
    }
    epilogue_->run_block(done, scratch, key);
  }

  StepSource<T> source_;
  const KernelTable<T>& kernels_;
  const ConvolutionSizes sizes_;
  const bool is_gradient_;
  const ConvolutionCut cut_;
  const int place_;
  std::optional<ExpressionRunner<T>> epilogue_;
  Buffer<T> product_;  // where none of the results can hold it
  int64_t images_ = 0, sample_ = 1, turned_size_ = 0;
  const T* operand_ = nullptr;
  const T* weights_ = nullptr;
  T* out_ = nullptr;
};

}  // namespace

template <class T>
StepPointer<T> make_convolution_step(const StepSource<T>& source) {
  return std::make_unique<ConvolutionStep<T>>(source);
}

template StepPointer<float> make_convolution_step(const StepSource<float>&);
template StepPointer<double> make_convolution_step(const StepSource<double>&);

}  // namespace ganglion
