// resample and its gradient: some whole images a chunk.
#include <algorithm>

#include "engines/cpu/step.h"

namespace ganglion {

namespace {

template <class T>
class ResamplingStep : public Step<T> {
 public:
  explicit ResamplingStep(const StepSource<T>& source)
      : source_(source), forward_(source.operation.kind == "resample") {}

  void bind(int64_t rows) override {
    const Shape& from = source_.shape(source_.input(0));
    const Shape& to = source_.shape(source_.output());
    const Shape& image = forward_ ? from : to;
    const Shape& result = forward_ ? to : from;
    sizes_ = {image.dims[1],
              image.dims[2],
              image.dims[3],
              result.dims[1],
              result.dims[2],
              static_cast<FillMode>(attribute_int(source_.operation, "fill_mode")),
              attribute_int(source_.operation, "interpolation") == 1};
    images_per_sample_ = from.dims[0];
    from_size_ = from.sample_size() / images_per_sample_;
    to_size_ = to.sample_size() / images_per_sample_;
    images_ = rows * images_per_sample_;
    images_per_chunk_ = std::max<int64_t>(1, kChunkElements / std::max(from_size_, to_size_));
  }
  int64_t chunks(int) const override { return chunk_count(images_, images_per_chunk_); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    const int64_t begin = chunk * images_per_chunk_;
    run_images(begin, std::min(begin + images_per_chunk_, images_), {});
  }
  void run_range(const Range& range, const RunKey&) override {
    run_images(range.begin * images_per_sample_, range.end * images_per_sample_, range);
  }

 private:
  void run_images(int64_t begin, int64_t end, const Range& range) {
    const auto image = [&](int value, int64_t size) {
      return source_.at(value) + begin * size + source_.shift(value, range);
    };
    const KernelTable<T>& table = kernels<T>();
    (forward_ ? table.resample : table.resample_gradient)(image(source_.output(), to_size_),
                                                          image(source_.input(0), from_size_),
                                                          image(source_.input(1), 6), sizes_, end - begin);
  }

  StepSource<T> source_;
  bool forward_;
  Resampling sizes_{};
  int64_t from_size_ = 1, to_size_ = 1;  // elements of an image
  int64_t images_ = 0, images_per_sample_ = 1, images_per_chunk_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_resampling_step(const StepSource<T>& source) {
  return std::make_unique<ResamplingStep<T>>(source);
}

template StepPointer<float> make_resampling_step(const StepSource<float>&);
template StepPointer<double> make_resampling_step(const StepSource<double>&);

}  // namespace ganglion
