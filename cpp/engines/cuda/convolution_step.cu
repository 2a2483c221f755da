// Convolutions and their two gradients, as products of patches that are never written: a row's patch is read where it
// lies, zeros where it leaves the image. Groups are a batch of products.
#include "engines/cuda/product.h"
#include "program/convolution.h"

namespace ganglion::cuda {

namespace {

struct Axis {
  int32_t input, kernel, output, stride, before, dilation;
};

struct Images {
  Axis rows, columns;
  int32_t channels, filters, group_channels, group_filters;

  // Where output `index` stands, of all images.
  struct Pixel {
    int64_t image;
    int32_t row, column;
  };
  static GANGLION_DEVICE Pixel pixel(int64_t index, int32_t rows, int32_t columns) {
    const int64_t line = index / columns;
    return {line / rows, static_cast<int32_t>(line % rows), static_cast<int32_t>(index - line * columns)};
  }

  struct Tap {
    int32_t row, column, channel;
  };
  GANGLION_DEVICE Tap tap(int64_t index, int32_t channels_of_tap) const {
    const int32_t place = static_cast<int32_t>(index / channels_of_tap);
    return {place / columns.kernel, place % columns.kernel, static_cast<int32_t>(index % channels_of_tap)};
  }

  // What tap `k` of the kernel reads of x for a result.
  template <class T>
  GANGLION_DEVICE T patch(const T* x, int64_t group, int64_t result, int64_t k) const {
    const Pixel at = pixel(result, rows.output, columns.output);
    const Tap of = tap(k, group_channels);
    const int32_t row = at.row * rows.stride - rows.before + of.row * rows.dilation;
    const int32_t column = at.column * columns.stride - columns.before + of.column * columns.dilation;
    if (row < 0 || row >= rows.input || column < 0 || column >= columns.input) return T{0};
    return x[((at.image * rows.input + row) * columns.input + column) * channels + group * group_channels + of.channel];
  }
};

// The result that reads input `place` by tap `tap` of an axis, -1 where none does.
GANGLION_DEVICE int32_t result_at(const Axis& axis, int32_t place, int32_t tap) {
  const int32_t from = place + axis.before - tap * axis.dilation;
  if (from < 0 || from % axis.stride != 0) return -1;
  const int32_t result = from / axis.stride;
  return result < axis.output ? result : -1;
}

template <class T>
struct Forward {
  const T *x, *weights;
  Images sizes;
  static constexpr bool a_along_k = true, b_along_k = false;

  GANGLION_DEVICE T a(int64_t group, int64_t row, int64_t k) const { return sizes.patch(x, group, row, k); }
  GANGLION_DEVICE T b(int64_t group, int64_t k, int64_t column) const {
    return weights[k * sizes.filters + group * sizes.group_filters + column];
  }
};

// The gradient of x: rows are its pixels, k the taps and filters, columns the channels.
template <class T>
struct InputGradient {
  const T *y, *weights;
  Images sizes;
  static constexpr bool a_along_k = true, b_along_k = true;

  GANGLION_DEVICE T a(int64_t group, int64_t row, int64_t k) const {
    const Images::Pixel at = Images::pixel(row, sizes.rows.input, sizes.columns.input);
    const Images::Tap of = sizes.tap(k, sizes.group_filters);
    const int32_t line = result_at(sizes.rows, at.row, of.row);
    const int32_t column = result_at(sizes.columns, at.column, of.column);
    if (line < 0 || column < 0) return T{0};
    return y[((at.image * sizes.rows.output + line) * sizes.columns.output + column) * sizes.filters +
             group * sizes.group_filters + of.channel];
  }
  GANGLION_DEVICE T b(int64_t group, int64_t k, int64_t column) const {
    const int64_t place = k / sizes.group_filters, filter = k % sizes.group_filters;
    return weights[(place * sizes.group_channels + column) * sizes.filters + group * sizes.group_filters + filter];
  }
};

// The gradient of the weights: rows are taps and channels, k the results of all images, columns the filters.
template <class T>
struct WeightGradient {
  const T *x, *y;
  Images sizes;
  static constexpr bool a_along_k = false, b_along_k = false;

  GANGLION_DEVICE T a(int64_t group, int64_t row, int64_t k) const { return sizes.patch(x, group, k, row); }
  GANGLION_DEVICE T b(int64_t group, int64_t k, int64_t column) const {
    return y[k * sizes.filters + group * sizes.group_filters + column];
  }
};

Axis narrowed(const ConvolutionAxis& axis) {
  for (int64_t size : {axis.input, axis.reach(axis.output), axis.before}) {
    check(size <= INT32_MAX / 2, "[cuda] a convolution along an axis of ", size, " is too large");
  }
  return {static_cast<int32_t>(axis.input),  static_cast<int32_t>(axis.kernel), static_cast<int32_t>(axis.output),
          static_cast<int32_t>(axis.stride), static_cast<int32_t>(axis.before), static_cast<int32_t>(axis.dilation)};
}

template <class T>
class ConvolutionStep : public Step<T> {
 public:
  explicit ConvolutionStep(const StepSource<T>& source)
      : source_(source),
        sizes_(convolution_sizes(source.program, source.operation)),
        runner_(source.program, source.operation) {
    images_ = {narrowed(sizes_.rows),
               narrowed(sizes_.columns),
               static_cast<int32_t>(sizes_.channels),
               static_cast<int32_t>(sizes_.filters),
               static_cast<int32_t>(sizes_.group_channels()),
               static_cast<int32_t>(sizes_.group_filters())};
  }

  void bind(int64_t rows) override {
    first_ = source_.at(source_.input(0));
    second_ = source_.at(source_.input(1));
    const std::string& kind = source_.operation.kind;
    const int64_t images = source_.shape(source_.input(0)).extent(0, rows);
    const int64_t results = images * sizes_.rows.output * sizes_.columns.output;
    ProductSizes product;
    product.batch = sizes_.groups;
    product.result_batch = sizes_.group_filters();
    product.result_row = sizes_.filters;
    product.n = sizes_.group_filters();
    if (kind == "convolution") {
      product.m = results;
      product.k = sizes_.taps() * sizes_.group_channels();
    } else if (kind == "convolution_weight_gradient") {
      product.m = sizes_.taps() * sizes_.group_channels();
      product.k = results;
    } else {
      product.m = images * sizes_.rows.input * sizes_.columns.input;
      product.k = sizes_.taps() * sizes_.group_filters();
      product.n = product.result_batch = sizes_.group_channels();
      product.result_row = sizes_.channels;
    }
    runner_.bind(product, rows, source_.memory);
  }

  void enqueue(cudaStream_t stream) override {
    const std::string& kind = source_.operation.kind;
    if (kind == "convolution") {
      runner_.enqueue(stream, Forward<T>{first_, second_, images_});
    } else if (kind == "convolution_weight_gradient") {
      runner_.enqueue(stream, WeightGradient<T>{first_, second_, images_});
    } else {
      runner_.enqueue(stream, InputGradient<T>{first_, second_, images_});
    }
  }

 private:
  StepSource<T> source_;
  const ConvolutionSizes sizes_;
  ProductRunner<T> runner_;
  Images images_{};
  const T* first_ = nullptr;
  const T* second_ = nullptr;
};

}  // namespace

template <class T>
StepPointer<T> make_convolution_step(const StepSource<T>& source) {
  return std::make_unique<ConvolutionStep<T>>(source);
}

template StepPointer<float> make_convolution_step(const StepSource<float>&);
template StepPointer<double> make_convolution_step(const StepSource<double>&);

}  // namespace ganglion::cuda
