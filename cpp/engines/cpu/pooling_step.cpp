#include <algorithm>
#include <map>
#include <string>

#include "engines/cpu/step.h"

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

// Images to windows over them, or back.
template <class T>
class PoolingStep : public Step<T> {
 public:
  explicit PoolingStep(const StepSource<T>& source)
      : source_(source), kernel_(pooling_kernels<T>().at(source.operation.kind)) {
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
  }

  void bind(int64_t rows) override {
    const Operation& operation = source_.operation;
    for (size_t i = 0; i < operation.inputs.size(); ++i) all_.in[i] = source_.at(source_.input(i));
    for (size_t i = 0; i < operation.outputs.size(); ++i) {
      all_.out[i] = i == 0 || is_read(source_.output(i)) ? source_.at(source_.output(i)) : nullptr;
    }
    images_ = source_.shape(source_.input(0)).extent(0, rows);
    images_per_sample_ = images_ / rows;
    images_per_chunk_ = std::max<int64_t>(1, kChunkElements / pooling_.image());
  }
  int64_t chunks(int) const override { return chunk_count(images_, images_per_chunk_); }
  void run(int, int64_t chunk, int, const RunKey&) override {
    const int64_t first = chunk * images_per_chunk_;
    run_images(first, std::min(first + images_per_chunk_, images_), {});
  }
  void run_range(const Range& range, const RunKey&) override {
    run_images(range.begin * images_per_sample_, range.end * images_per_sample_, range);
  }

 private:
  // A prediction needs no places of the largest elements.
  bool is_read(int value) const {
    const Program& program = source_.program;
    return std::any_of(program.operations.begin(), program.operations.end(),
                       [&](const Operation& operation) {
                         return std::count(operation.inputs.begin(), operation.inputs.end(), value) != 0;
                       }) ||
           std::any_of(program.outputs.begin(), program.outputs.end(),
                       [&](const auto& output) { return output.second == value; });
  }

  void run_images(int64_t begin, int64_t end, const Range& range) {
    const Operation& operation = source_.operation;
    const auto shift = [&](int value) { return source_.memory.shift(source_.memory.local_sample(value), range); };
    Images<T> part = all_;
    for (size_t i = 0; i < operation.inputs.size(); ++i) part.in[i] += begin * in_size_ + shift(source_.input(i));
    for (size_t i = 0; i < operation.outputs.size(); ++i) {
      if (part.out[i]) part.out[i] += begin * out_size_ + shift(source_.output(i));
    }
    kernel_(part, pooling_, end - begin);
  }

  StepSource<T> source_;
  PoolingKernel<T> kernel_;
  Pooling pooling_;
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
