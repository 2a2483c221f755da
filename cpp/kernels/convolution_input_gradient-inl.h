// The gradient of a convolution's input: what each result gives to all that it read, added up where it was read.
#pragma once

#include "kernels/channels-inl.h"
#include "kernels/convolution-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Channels of which all vectors are full, whatever the instruction set.
constexpr int64_t kWholeChannels = 16;

// Where the channels fill vectors, each tap is a product of its own, summed where it belongs; otherwise all that a row
// of d_x gets from the runs of its columns is one product, of which each element then gathers its share.
inline bool sums_by_taps(const ConvolutionSizes& sizes) { return sizes.group_channels() % kWholeChannels == 0; }

// The weights as columns: group after group and run after run (filters of the group, elements of the run).
template <class T>
void convolution_turn_weights(const ConvolutionSizes& sizes, T* turned, const T* weights) {
  if (sizes.is_depthwise()) return copy_values(turned, weights, sizes.weights());
  const KernelRuns runs(sizes);
  const int64_t filters = sizes.group_filters();
  for (int64_t part = 0; part < sizes.groups; ++part) {
    for (int64_t run = 0; run < runs.count; ++run, turned += runs.size * filters) {
      transpose(turned, runs.size, weights + run * runs.size * sizes.filters + part * filters, sizes.filters, runs.size,
                filters, false);
    }
  }
}

template <class T>
ConvolutionCut convolution_input_cut(const ConvolutionSizes& sizes) {
  ConvolutionCut cut;
  if (sizes.is_depthwise()) {
    cut.thread_workspace = sizes.group_filters() > 1 ? sizes.image() * sizes.group_filters() : 0;
    return cut;
  }
  const int64_t columns = sizes.columns.output, fewest = divide_up(fewest_results(sizes), columns);
  cut = cut_bands(sizes, larger(kBandElements / (columns * (sizes.filters + sizes.channels)), fewest));
  if (!sums_by_taps(sizes)) cut.thread_workspace = columns * KernelRuns(sizes).size;
  return cut;
}

// Results [first, end) of a row whose tap lies in x, the one that begins at `shift` from the first column.
struct InnerResults {
  int64_t first, end;
  InnerResults(const ConvolutionAxis& columns, int64_t shift, int64_t width) {
    first = larger(0, shift < 0 ? divide_up(-shift, columns.stride) : 0);
    const int64_t room = columns.input - width - shift;
    end = room < 0 ? 0 : smaller(columns.output, room / columns.stride + 1);
    if (end < first) end = first;
  }
};

// d_x += d_y times each tap of one group, for a band. `d_x` is its first image, `d_y` the band's own results.
template <class T>
void add_taps(const ConvolutionSizes& sizes, const ConvolutionBand& band, int64_t part, T* d_x, const T* d_y,
              const T* turned) {
  const ConvolutionAxis& rows = sizes.rows;
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t c = sizes.channels, channels = sizes.group_channels(), filters = sizes.group_filters();
  const KernelRuns runs(sizes);
  const T* const of_group = turned + part * runs.count * runs.size * filters;
  const int64_t of_run = runs.size / channels;  // taps
  for (int64_t tap = 0; tap < sizes.taps(); ++tap) {
    const int64_t shift = tap % columns.kernel * columns.dilation - columns.before;
    const InnerResults inner(columns, shift, 1);
    if (inner.first == inner.end) continue;
    const RowStrips strips(inner.end - inner.first);
    const int64_t strip = (strips.rows(0) <= kFewRows ? kWideVectors : kTileVectors) * Simd<T>::lanes;
    for (int64_t line = 0; line < band.images * band.rows; ++line) {
      const int64_t row = band.row + line % band.rows;
      const int64_t to_row = row * rows.stride - rows.before + tap / columns.kernel * rows.dilation;
      if (to_row < 0 || to_row >= rows.input) continue;
      int64_t x = inner.first;
      for (int64_t s = 0; s < strips.count; x += strips.rows(s++)) {
        const TileProduct<T> tile{strips.rows(s),
                                  channels,
                                  filters,
                                  d_y + (line * columns.output + x) * sizes.filters + part * filters,
                                  sizes.filters,
                                  1,
                                  of_group + (tap / of_run * filters * of_run + tap % of_run) * channels,
                                  runs.size,
                                  1,
                                  false,
                                  nullptr,
                                  0};
        T* const to = d_x + line / band.rows * sizes.image() +
                      (to_row * columns.input + x * columns.stride + shift) * c + part * channels;
        run_tiles(tile, strip, to, columns.stride * c, true, static_cast<const T* const*>(nullptr));
      }
    }
  }
}

// A row of d_x gathers its share of the products (results of a row, run) of a column of the kernel, or of all of them.
template <class T>
void gather_products(const ConvolutionSizes& sizes, const KernelRuns& runs, int64_t column, T* to, const T* products) {
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t channels = sizes.group_channels(), stride = columns.stride;
  const int64_t joined = runs.size / channels;  // columns of x that a run covers
  const int64_t step = runs.size - stride * channels;
  const int64_t shift = columns.before - column * columns.dilation;
  each_vector<T>(channels, [&](int64_t c, auto part) {
    for (int64_t x = 0; x < columns.input; ++x) {
      const int64_t from = x + shift, lacking = from - joined + 1;  // results that begin in [lacking, from]
      if (from < 0) continue;
      const int64_t first = lacking <= 0 ? 0 : stride == 1 ? lacking : divide_up(lacking, stride);
      const int64_t last = smaller(columns.output - 1, stride == 1 ? from : from / stride);
      if (first > last) continue;
      const T* read = products + first * runs.size + (from - first * stride) * channels + c;
      Vector<T> sum = part.load(read);
      for (int64_t result = first; result < last; ++result) sum += part.load(read += step);
      T* const place = to + x * sizes.channels + c;
      part.store(place, part.load(place) + sum);
    }
  });
}

// d_x += d_y times the weights of one group, for an image: row by row of d_x, whose products join the rows of the
// kernel.
template <class T>
void add_runs(const ConvolutionSizes& sizes, int64_t part, T* d_x, const T* d_y, const T* turned, T* workspace) {
  const ConvolutionAxis& rows = sizes.rows;
  const KernelRuns runs(sizes);
  const int64_t filters = sizes.group_filters(), results = sizes.columns.output;
  const T* const of_group = turned + part * runs.count * runs.size * filters;
  // Runs whose weights follow each other are one chain.
  const int64_t most = runs.columns == 1 && rows.stride == 1 ? kMostSegments : 1;
  const RowStrips strips(results);
  int64_t segment[kMostSegments], group[row_groups(kTileRows)];
  for (int g = 0; g < row_groups(kTileRows); ++g) group[g] = 3 * g * sizes.filters;
  Pieces pieces{segment, 0, filters, group, sizes.filters, 1};
  const auto multiply = [&](int64_t first, bool accumulate) {
    for (int64_t j = 0; j < runs.size;) {
      const TileColumns<T> strip(strips.rows(0), runs.size - j);
      for (int64_t s = 0, x = 0; s < strips.count; x += strips.rows(s++)) {
        strip.tile(strips.rows(s))(pieces, d_y + x * sizes.filters + part * filters,
                                   of_group + first * filters * runs.size + j, runs.size, workspace + x * runs.size + j,
                                   runs.size, strip.last, accumulate);
      }
      j += strip.columns;
    }
  };
  for (int64_t row = 0; row < rows.input; ++row) {
    for (int64_t column = 0; column < runs.columns; ++column) {
      bool any = false;
      pieces.segments = 0;
      for (int64_t i = 0; i < rows.kernel; ++i) {
        const int64_t above = row + rows.before - i * rows.dilation, line = above / rows.stride;
        if (above < 0 || above % rows.stride != 0 || line >= rows.output) continue;
        segment[pieces.segments++] = line * results * sizes.filters;
        const bool follows = above >= rows.dilation && i + 1 < rows.kernel;
        if (pieces.segments < most && follows) continue;
        multiply((i + 1 - pieces.segments) * runs.columns + column, any);
        any = true;
        pieces.segments = 0;
      }
      if (any) {
        gather_products(sizes, runs, column,
                        d_x + row * sizes.columns.input * sizes.channels + part * sizes.group_channels(), workspace);
      }
    }
  }
}

// d_x of whole images.
template <class T>
void convolution_input_gradient(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images, T* d_x,
                                const T* d_y, const T* turned, T* workspace) {
  if (sizes.is_depthwise()) return depthwise_input_gradient(sizes, images, d_x, d_y, turned, workspace);
  set_zero(d_x, images * sizes.image());
  if (!sums_by_taps(sizes)) {
    for (int64_t image = 0; image < images; ++image, d_x += sizes.image(), d_y += sizes.result()) {
      for (int64_t part = 0; part < sizes.groups; ++part) add_runs(sizes, part, d_x, d_y, turned, workspace);
    }
    return;
  }
  for (int64_t image = 0; image < images; image += cut.images) {
    for (int64_t row = 0; row < sizes.rows.output; row += cut.rows) {
      const ConvolutionBand band{smaller(cut.images, images - image), row, smaller(cut.rows, sizes.rows.output - row)};
      T* const to = d_x + image * sizes.image();
      const T* const from = d_y + image * sizes.result() + row * sizes.columns.output * sizes.filters;
      for (int64_t part = 0; part < sizes.groups; ++part) add_taps(sizes, band, part, to, from, turned);
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
