#include <algorithm>
#include <map>
#include <string>

#include "core/buffer.h"
#include "engines/cpu/epilogue.h"

namespace ganglion {

namespace {

template <class T>
struct Images {
  T* out[2];  // the second one may be null
  const T* in[2];
};

template <class T>
using PoolingKernel = void (*)(const Images<T>&, const Pooling&, int64_t images);

template <class T>
const std::map<std::string, PoolingKernel<T>>& pooling_kernels() {
  using I = const Images<T>&;
  using P = const Pooling&;
  static const std::map<std::string, PoolingKernel<T>> table{
      {"max_pool", [](I i, P p, int64_t images) { kernels<T>().max_pool(i.out[0], i.out[1], i.in[0], p, images); }},
      {"max_pool_gradient",
       [](I i, P p, int64_t images) { kernels<T>().max_pool_gradient(i.out[0], i.in[0], i.in[1], p, images); }},
      {"window_sum", [](I i, P p, int64_t images) { kernels<T>().window_sum(i.out[0], i.in[0], p, images); }},
      {"window_spread", [](I i, P p, int64_t images) { kernels<T>().window_spread(i.out[0], i.in[0], p, images); }},
  };
  return table;
}

// Images to windows over them, or back; each image followed by the epilogue.
template <class T>
class PoolingStep : public Step<T> {
 public:
  explicit PoolingStep(const StepSource<T>& source)
      : source_(source),
        kernel_(pooling_kernels<T>().at(source.operation.kind)),
        operands_(static_cast<size_t>(find_rule(source.operation.kind).arity)),
        place_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {
    const Operation& operation = source.operation;
    const Shape& in = source.shape(source.input(0));
    const Shape& out = source.shape(source.output());
    const bool back = operation.attributes.count("size") != 0;
    const std::vector<int64_t>& image = (back ? out : in).dims;
    const std::vector<int64_t>& windows = (back ? in : out).dims;
    pooling_ = {image[1], image[2], image[3], windows[1], windows[2], {}, {}, {}};
    for (size_t axis = 0; axis < 2; ++axis) {
      pooling_.window[axis] = attribute_list(operation, "window")[axis];
      pooling_.strides[axis] = attribute_list(operation, "strides")[axis];
      pooling_.before[axis] = attribute_list(operation, "before")[axis];
    }
    in_size_ = back ? pooling_.result() : pooling_.image();
    out_size_ = back ? pooling_.image() : pooling_.result();
    // The largest elements have places beside their values, and no epilogue; a prediction needs no places.
    gives_places_ = operation.kind == "max_pool" && is_read(source.output(1));
  }

  void bind(int64_t rows) override {
    for (size_t i = 0; i < operands_; ++i) all_.in[i] = source_.at(source_.input(i));
    if (gives_places_) all_.out[1] = source_.at(source_.output(1));
    images_ = source_.shape(source_.input(0)).extent(0, rows);
    images_per_sample_ = images_ / rows;
    images_per_chunk_ = std::max<int64_t>(1, kChunkElements / pooling_.image());
    if (place_ < 0) product_.require(images_ * out_size_);
    all_.out[0] = place_ < 0 ? product_.data() : source_.at(place_);
    if (!epilogue_) return;
    epilogue_->bind(rows, source_.memory);
    source_.memory.require_scratch(epilogue_->scratch_elements());
  }
  int64_t chunks(int) const override { return chunk_count(images_, images_per_chunk_); }
  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t first = chunk * images_per_chunk_;
    run_images(first, std::min(first + images_per_chunk_, images_), thread, {}, key);
  }
  void run_range(const Range& range, const RunKey& key) override {
    run_images(range.begin * images_per_sample_, range.end * images_per_sample_, range.thread, range, key);
  }

  int64_t own_elements() const override { return product_.size(); }

 private:
  bool is_read(int value) const {
    const Program& program = source_.program;
    return std::any_of(program.operations.begin(), program.operations.end(),
                       [&](const Operation& operation) {
                         return std::count(operation.inputs.begin(), operation.inputs.end(), value) != 0;
                       }) ||
           std::any_of(program.outputs.begin(), program.outputs.end(),
                       [&](const auto& output) { return output.second == value; });
  }

  void run_images(int64_t begin, int64_t end, int thread, const Range& range, const RunKey& key) {
    if (!epilogue_) return run_kernel(begin, end, range);
    const int64_t rows = out_size_ / pooling_.channels;
    for (int64_t image = begin; image < end; ++image) {
      run_kernel(image, image + 1, range);
      Block<T> done{image * rows, (image + 1) * rows, 0, pooling_.channels, nullptr, 0, range};
      if (place_ < 0) {
        done.first = product_.data() + image * out_size_;
        done.first_row = pooling_.channels;
      }
      epilogue_->run_block(done, source_.memory.thread_scratch(thread), key);
    }
  }

  void run_kernel(int64_t begin, int64_t end, const Range& range) {
    Images<T> part = all_;
    for (size_t i = 0; i < operands_; ++i) part.in[i] += begin * in_size_ + source_.shift(source_.input(i), range);
    part.out[0] += begin * out_size_ + (place_ < 0 ? 0 : source_.shift(place_, range));
    if (part.out[1]) part.out[1] += begin * out_size_ + source_.shift(source_.output(1), range);
    kernel_(part, pooling_, end - begin);
  }

  StepSource<T> source_;
  PoolingKernel<T> kernel_;
  const size_t operands_;
  const int place_;
  std::optional<ExpressionRunner<T>> epilogue_;
  Buffer<T> product_;  // where none of the results can hold it
  Pooling pooling_;
  bool gives_places_ = false;
  Images<T> all_{};
  int64_t in_size_, out_size_;  // elements of an image, or of the windows over it
  int64_t images_ = 0, images_per_sample_ = 1, images_per_chunk_ = 1;
};

}  // namespace

template <class T>
StepPointer<T> make_pooling_step(const StepSource<T>& source) {
  return std::make_unique<PoolingStep<T>>(source);
}

template StepPointer<float> make_pooling_step(const StepSource<float>&);
template StepPointer<double> make_pooling_step(const StepSource<double>&);

}  // namespace ganglion
