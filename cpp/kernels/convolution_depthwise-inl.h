// Convolutions of each channel by itself: no products, vectors run along the filters. Where a channel has several
// filters, x is read with each channel repeated.
#pragma once

#include "kernels/convolution_band-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Results, or elements of the kernel, whose sums are in registers at a time.
constexpr int kDepthwiseSums = 9;

inline bool depthwise_copies(const ConvolutionSizes& sizes) { return sizes.is_padded() || sizes.group_filters() > 1; }

// The sizes of the convolution that has as many channels as filters.
inline ConvolutionSizes repeated(const ConvolutionSizes& sizes) {
  ConvolutionSizes wide = sizes;
  wide.channels = wide.groups = sizes.filters;
  return wide;
}

// Spreads each of `count` values to `times`, from the last on, since they may stand in the same place.
template <class T>
void repeat_values(T* to, const T* from, int64_t count, int64_t times) {
  for (int64_t i = count; i-- > 0;) {
    const T value = from[i];
    for (int64_t j = times; j-- > 0;) to[i * times + j] = value;
  }
}

// Elements of the copy of a band.
template <class T>
int64_t depthwise_workspace(const ConvolutionSizes& sizes, int64_t images, int64_t rows) {
  return depthwise_copies(sizes) ? band_workspace<T>(repeated(sizes), images, rows) : 0;
}

template <class T>
BandInput<T> depthwise_input(const ConvolutionSizes& sizes, const T* x, const ConvolutionBand& band, T* workspace) {
  BandInput<T> input = band_input(sizes, x, band, depthwise_copies(sizes), workspace);
  const int64_t times = sizes.group_filters();
  if (times == 1) return input;
  repeat_values(workspace, workspace, band.images * input.image, times);
  return {workspace, input.image * times, input.row * times, input.pixel * times, band.rows, input.line_rows * times};
}

// `Count` sums of products of vectors: with `Shared` weights y[r] += x[r] * w for each tap, `x_step` from one result to
// the next.
template <class T, int Count, bool Partial>
void depthwise_results(const int64_t* tap, int64_t taps, const T* x, int64_t x_step, const T* weights, T* y,
                       int64_t step, int last) {
  const auto read = [&](const T* from) { return Partial ? load_first(from, last) : load(from); };
  Vector<T> sum[Count];
  GANGLION_UNROLL for (int r = 0; r < Count; ++r) sum[r] = Vector<T>{};
  for (int64_t t = 0; t < taps; ++t, weights += step) {
    const Vector<T> w = read(weights);
    const T* const from = x + tap[t];
    GANGLION_UNROLL for (int r = 0; r < Count; ++r) sum[r] = fma(read(from + r * x_step), w, sum[r]);
  }
  GANGLION_UNROLL for (int r = 0; r < Count; ++r) {
    if (Partial) {
      store_first(y + r * step, sum[r], last);
    } else {
      store(y + r * step, sum[r]);
    }
  }
}

// sums[t] += x[tap t of each result] * d_y, over the `results` of a row.
template <class T, int Count, bool Partial>
void depthwise_sums(const int64_t* tap, int64_t results, const T* x, int64_t x_step, const T* d_y, T* sums,
                    int64_t step, int last) {
  const auto read = [&](const T* from) { return Partial ? load_first(from, last) : load(from); };
  Vector<T> sum[Count];
  GANGLION_UNROLL for (int t = 0; t < Count; ++t) sum[t] = read(sums + t * step);
  for (int64_t i = 0; i < results; ++i, x += x_step, d_y += step) {
    const Vector<T> g = read(d_y);
    GANGLION_UNROLL for (int t = 0; t < Count; ++t) sum[t] = fma(read(x + tap[t]), g, sum[t]);
  }
  GANGLION_UNROLL for (int t = 0; t < Count; ++t) {
    if (Partial) {
      store_first(sums + t * step, sum[t], last);
    } else {
      store(sums + t * step, sum[t]);
    }
  }
}

template <class T>
using DepthwiseKernel = void (*)(const int64_t* tap, int64_t count, const T* x, int64_t x_step, const T* b, T* c,
                                 int64_t step, int last);

template <class T>
struct DepthwiseKernels {
  template <int... N>
  static DepthwiseKernel<T> results(int64_t count, bool partial, std::integer_sequence<int, N...>) {
    static constexpr DepthwiseKernel<T> of[][2] = {
        {depthwise_results<T, N + 1, false>, depthwise_results<T, N + 1, true>}...};
    return of[count - 1][partial];
  }
  template <int... N>
  static DepthwiseKernel<T> sums(int64_t count, bool partial, std::integer_sequence<int, N...>) {
    static constexpr DepthwiseKernel<T> of[][2] = {
        {depthwise_sums<T, N + 1, false>, depthwise_sums<T, N + 1, true>}...};
    return of[count - 1][partial];
  }
};

typedef std::make_integer_sequence<int, kDepthwiseSums> DepthwiseCounts;

template <class T>
void depthwise(const ConvolutionSizes& sizes, const ConvolutionBand& band, T* y, const T* x, const T* weights,
               T* workspace) {
  constexpr int64_t lanes = Simd<T>::lanes;
  const BandInput<T> input = depthwise_input(sizes, x, band, workspace);
  const int64_t filters = sizes.filters, columns = sizes.columns.output, step = sizes.columns.stride * input.pixel;
  const int64_t lines = band.images * band.rows;
  const KernelRuns runs(sizes);
  int64_t tap[kDepthwiseTaps];
  for (int64_t t = 0; t < runs.count; ++t) tap[t] = runs.offset(sizes, input, t);
  for (int64_t j = 0; j < filters; j += lanes) {
    const int last = static_cast<int>(smaller(lanes, filters - j));
    for (int64_t line = 0; line < lines; ++line) {
      const T* const from = input.start + input.line(line) + j;
      for (int64_t i = 0; i < columns; i += kDepthwiseSums) {
        const int64_t count = smaller(kDepthwiseSums, columns - i);
        DepthwiseKernels<T>::results(count, last < lanes, DepthwiseCounts{})(
            tap, runs.count, from + i * step, step, weights + j, y + (line * columns + i) * filters + j, filters, last);
      }
    }
  }
}

// to[i] += a[i] * b[i]
template <class T>
GANGLION_INLINE void add_products(T* to, const T* a, const T* b, int64_t count) {
  constexpr int64_t lanes = Simd<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, fma(load(a + i), load(b + i), load(to + i)));
  if (i == count) return;
  const int last = static_cast<int>(count - i);
  store_first(to + i, fma(load_first(a + i, last), load_first(b + i, last), load_first(to + i, last)), last);
}

template <class T>
void depthwise_image_gradient(const ConvolutionSizes& sizes, T* d_x, const T* d_y, const T* weights) {
  const ConvolutionAxis& rows = sizes.rows;
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t filters = sizes.filters;
  set_zero(d_x, rows.input * columns.input * filters);
  for (int64_t row = 0; row < rows.output; ++row) {
    for (int64_t tap = 0; tap < sizes.taps(); ++tap) {
      const int64_t i = tap / columns.kernel, j = tap % columns.kernel;
      const int64_t to_row = row * rows.stride - rows.before + i * rows.dilation;
      if (to_row < 0 || to_row >= rows.input) continue;
      for (int64_t x = 0; x < columns.output; ++x) {
        const int64_t column = x * columns.stride - columns.before + j * columns.dilation;
        if (column < 0 || column >= columns.input) continue;
        add_products(d_x + (to_row * columns.input + column) * filters, d_y + (row * columns.output + x) * filters,
                     weights + tap * filters, filters);
      }
    }
  }
}

// d_x of whole images; the workspace holds one with its channels repeated.
template <class T>
void depthwise_input_gradient(const ConvolutionSizes& sizes, int64_t images, T* d_x, const T* d_y, const T* weights,
                              T* workspace) {
  const int64_t times = sizes.group_filters(), pixels = sizes.rows.input * sizes.columns.input;
  for (int64_t image = 0; image < images; ++image) {
    T* const to = d_x + image * sizes.image();
    T* const wide = times > 1 ? workspace : to;
    depthwise_image_gradient(sizes, wide, d_y + image * sizes.result(), weights);
    if (times == 1) continue;
    for (int64_t i = 0; i < pixels * sizes.channels; ++i) {
      T sum = wide[i * times];
      for (int64_t k = 1; k < times; ++k) sum += wide[i * times + k];
      to[i] = sum;
    }
  }
}

// sums (taps, filters) (+)= what a band gives.
template <class T>
void depthwise_weight_band(const ConvolutionSizes& sizes, const ConvolutionBand& band, T* sums, const T* x,
                           const T* d_y, T* workspace) {
  constexpr int64_t lanes = Simd<T>::lanes;
  const BandInput<T> input = depthwise_input(sizes, x, band, workspace);
  const int64_t filters = sizes.filters, columns = sizes.columns.output, step = sizes.columns.stride * input.pixel;
  const int64_t lines = band.images * band.rows;
  const KernelRuns runs(sizes);
  for (int64_t t = 0; t < runs.count; t += kDepthwiseSums) {
    const int64_t count = smaller(kDepthwiseSums, runs.count - t);
    int64_t tap[kDepthwiseSums];
    for (int64_t k = 0; k < count; ++k) tap[k] = runs.offset(sizes, input, t + k);
    for (int64_t j = 0; j < filters; j += lanes) {
      const int last = static_cast<int>(smaller(lanes, filters - j));
      const DepthwiseKernel<T> kernel = DepthwiseKernels<T>::sums(count, last < lanes, DepthwiseCounts{});
      for (int64_t line = 0; line < lines; ++line) {
        kernel(tap, columns, input.start + input.line(line) + j, step, d_y + line * columns * filters + j,
               sums + t * filters + j, filters, last);
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
