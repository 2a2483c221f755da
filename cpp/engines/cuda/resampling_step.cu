// resample: a thread for each number of the result. Its gradient adds to pixels wherever the matrix leads, so that a
// thread goes over the pixels of a channel of an image alone, in their order.
#include <type_traits>

#include "engines/cuda/functions.h"
#include "engines/cuda/step.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 8192;

// What stands beyond the edges of an image, by the number of the attribute.
enum class FillMode : int32_t { constant, nearest, reflect, wrap };

// Places further away are taken for this one, which is whole and has neighbours in float; NaN too.
constexpr float kFarthestPixel = 0x1p22f;

template <class T>
struct Resampling {
  T* out;
  const T *from, *matrix;
  int32_t height, width, channels, out_height, out_width;
  FillMode fill_mode;
  bool bilinear;
  int64_t images;
};

template <class T>
GANGLION_DEVICE T pixel_at(FillMode mode, T i, T size, T& weight) {
  if (mode == FillMode::wrap) return i - size * std::floor(i / size);
  if (mode == FillMode::reflect) {
    const T period = 2 * size, inside = i - period * std::floor(i / period);
    return inside < size ? inside : period - 1 - inside;
  }
  const T last = size - 1, nearest = i < 0 ? T{0} : i > last ? last : i;
  if (mode == FillMode::constant) weight = i == nearest ? weight : T{0};
  return nearest;
}

template <class T>
GANGLION_DEVICE T bounded(T place) {
  const T farthest = static_cast<T>(kFarthestPixel), below = place < farthest ? place : farthest;
  return below > -farthest ? below : -farthest;
}

// The pixels that one of the result is a weighted sum of: visit(offset in the image, weight).
template <class T, class Visit>
GANGLION_DEVICE void each_tap(const Resampling<T>& r, const T* matrix, int32_t row, int32_t column, Visit visit) {
  const T height = static_cast<T>(r.height), width = static_cast<T>(r.width);
  const T x = static_cast<T>(column), y = static_cast<T>(row);
  const T place_x = bounded(std::fma(matrix[0], x, std::fma(matrix[1], y, matrix[2])));
  const T place_y = bounded(std::fma(matrix[3], x, std::fma(matrix[4], y, matrix[5])));
  const auto offset = [&](T line, T place) {
    return (static_cast<int64_t>(line) * r.width + static_cast<int64_t>(place)) * r.channels;
  };
  if (!r.bilinear) {
    T weight = 1;
    const T half = static_cast<T>(0.5);
    const T place = pixel_at(r.fill_mode, std::floor(place_x + half), width, weight);
    const T line = pixel_at(r.fill_mode, std::floor(place_y + half), height, weight);
    visit(offset(line, place), weight);
    return;
  }
  const T left = std::floor(place_x), top = std::floor(place_y);
  const T part_x = place_x - left, part_y = place_y - top;
  T weights_x[2] = {1 - part_x, part_x}, weights_y[2] = {1 - part_y, part_y};
  T places[2], lines[2];
  for (int i = 0; i < 2; ++i) {
    places[i] = pixel_at(r.fill_mode, left + static_cast<T>(i), width, weights_x[i]);
    lines[i] = pixel_at(r.fill_mode, top + static_cast<T>(i), height, weights_y[i]);
  }
  for (int tap = 0; tap < 4; ++tap) {
    visit(offset(lines[tap / 2], places[tap % 2]), weights_y[tap / 2] * weights_x[tap % 2]);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) resample_kernel(const __grid_constant__ Resampling<T> r) {
  const int64_t elements = r.images * r.out_height * r.out_width * r.channels;
  for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) {
    const int64_t pixel = at / r.channels, line = pixel / r.out_width, image = line / r.out_height;
    const T* const from = r.from + image * r.height * r.width * r.channels + at % r.channels;
    T sum = 0;
    each_tap(r, r.matrix + 6 * image, static_cast<int32_t>(line % r.out_height),
             static_cast<int32_t>(pixel % r.out_width),
             [&](int64_t tap, T weight) { sum = std::fma(weight, from[tap], sum); });
    r.out[at] = sum;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) resample_gradient_kernel(const __grid_constant__ Resampling<T> r) {
  for (int64_t at = thread_of_grid(); at < r.images * r.channels; at += threads_of_grid()) {
    const int64_t image = at / r.channels, channel = at % r.channels;
    const int64_t pixels = static_cast<int64_t>(r.height) * r.width;
    T* const out = r.out + image * pixels * r.channels + channel;
    const T* from = r.from + image * r.out_height * r.out_width * r.channels + channel;
    for (int64_t i = 0; i < pixels; ++i) out[i * r.channels] = 0;
    for (int32_t row = 0; row < r.out_height; ++row) {
      for (int32_t column = 0; column < r.out_width; ++column, from += r.channels) {
        each_tap(r, r.matrix + 6 * image, row, column,
                 [&](int64_t tap, T weight) { out[tap] = std::fma(weight, *from, out[tap]); });
      }
    }
  }
}

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
    const auto size = [](int64_t extent) { return static_cast<int32_t>(extent); };
    sizes_ = {source_.at(source_.output()),
              source_.at(source_.input(0)),
              source_.at(source_.input(1)),
              size(image.dims[1]),
              size(image.dims[2]),
              size(image.dims[3]),
              size(result.dims[1]),
              size(result.dims[2]),
              static_cast<FillMode>(attribute_int(source_.operation, "fill_mode")),
              attribute_int(source_.operation, "interpolation") == 1,
              from.extent(0, rows)};
    results_ = sizes_.images * result.dims[1] * result.dims[2] * result.dims[3];
  }

  void enqueue(cudaStream_t stream) override {
    const int64_t threads = forward_ ? results_ : sizes_.images * sizes_.channels;
    launch(stream, std::min(divide_up(threads, kThreads), kMostBlocks), kThreads,
           forward_ ? resample_kernel<T> : resample_gradient_kernel<T>, sizes_);
  }

 private:
  StepSource<T> source_;
  const bool forward_;
  Resampling<T> sizes_{};
  int64_t results_ = 0;
};

}  // namespace

template <class T>
StepPointer<T> make_resampling_step(const StepSource<T>& source) {
  return std::make_unique<ResamplingStep<T>>(source);
}

template StepPointer<float> make_resampling_step(const StepSource<float>&);
template StepPointer<double> make_resampling_step(const StepSource<double>&);

}  // namespace ganglion::cuda
