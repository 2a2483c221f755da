// The two gradients of a convolution.
#pragma once

#include "kernels/convolution-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Elements of products that are scattered at a time, in the second cache.
constexpr int64_t kScatteredElements = 16384;

// The rows of a group's weights (taps * channels of a group, filters) as columns, group after group.
template <class T>
void convolution_turn_weights(const ConvolutionSizes& sizes, T* turned, const T* weights) {
  const int64_t rows = sizes.taps() * sizes.group_channels(), filters = sizes.group_filters();
  for (int64_t part = 0; part < sizes.groups; ++part) {
    transpose(turned + part * rows * filters, rows, weights + part * filters, sizes.filters, rows, filters, false);
  }
}

template <class T>
ConvolutionCut convolution_input_cut(const ConvolutionSizes& sizes) {
  const KernelRuns runs(sizes);
  const int64_t columns = sizes.columns.output, all = runs.count * runs.size;
  const int64_t rows = larger(kScatteredElements / (columns * all), divide_up(kBandResults, columns));
  ConvolutionCut cut = cut_bands(sizes, rows);
  const int64_t pixels = cut.images * cut.rows * columns;
  const int64_t joined = larger(1, smaller(runs.count, kScatteredElements / (pixels * runs.size)));
  cut.thread_workspace = pixels * joined * runs.size;
  return cut;
}

template <class T>
GANGLION_INLINE void add_values(T* to, const T* from, int64_t count) {
  constexpr int64_t lanes = Simd<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, load(to + i) + load(from + i));
  if (i == count) return;
  const int last = static_cast<int>(count - i);
  store_first(to + i, load_first(to + i, last) + load_first(from + i, last), last);
}

// Adds what one row of results gave for the runs [first, end) to the rows of d_x that they read: products
// (results of the row, runs). Neighbours overlap; so every few results are one turn, and what was just stored is not
// read at once.
template <class T>
void scatter_line(const ConvolutionSizes& sizes, const KernelRuns& runs, int64_t first, int64_t end, int64_t row,
                  T* d_x, const T* products) {
  const ConvolutionAxis& rows = sizes.rows;
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t c = sizes.channels, width = (end - first) * runs.size;
  const int64_t joined = sizes.joins_columns() ? columns.kernel : 1;  // columns of x that a run covers
  const int64_t turns = divide_up(joined, columns.stride);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (int64_t run = first; run < end; ++run) {
      const int64_t to_row = row * rows.stride - rows.before + runs.row(run) * rows.dilation;
      if (to_row < 0 || to_row >= rows.input) continue;
      T* const to = d_x + to_row * columns.input * c;
      const T* const from = products + (run - first) * runs.size;
      const int64_t shift = runs.column(run) * columns.dilation - columns.before;
      for (int64_t x = turn; x < columns.output; x += turns) {
        const int64_t column = x * columns.stride + shift;
        const int64_t begin = larger(0, -column), stop = smaller(joined, columns.input - column);
        if (begin >= stop) continue;
        const int64_t of_column = runs.size / joined;
        add_values(to + (column + begin) * c, from + x * width + begin * of_column, (stop - begin) * of_column);
      }
    }
  }
}

// d_x of whole images: for each result what it gives to all it read, added up where it was read.
template <class T>
void convolution_input_gradient(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images, T* d_x,
                                const T* d_y, const T* turned, T* workspace) {
  const KernelRuns runs(sizes);
  const int64_t columns = sizes.columns.output, all = runs.count * runs.size, filters = sizes.group_filters();
  set_zero(d_x, images * sizes.image());
  for (int64_t image = 0; image < images; image += cut.images) {
    const int64_t together = smaller(cut.images, images - image);
    for (int64_t row = 0; row < sizes.rows.output; row += cut.rows) {
      const int64_t band_rows = smaller(cut.rows, sizes.rows.output - row), lines = together * band_rows;
      const int64_t most = cut.images * cut.rows * columns * runs.size;
      const int64_t joined = larger(1, smaller(runs.count, kScatteredElements / most));
      for (int64_t part = 0; part < sizes.groups; ++part) {
        for (int64_t run = 0; run < runs.count; run += joined) {
          const int64_t end = smaller(run + joined, runs.count), width = (end - run) * runs.size;
          const TileProduct<T> product{
              lines * columns,
              width,
              filters,
              d_y + (image * sizes.rows.output + row) * columns * sizes.filters + part * filters,
              sizes.filters,
              1,
              turned + part * all * filters + run * runs.size,
              all,
              1,
              false,
              nullptr,
              0};
          run_panels(product, MatmulPlan{}, workspace, width, false, static_cast<T*>(nullptr),
                     static_cast<T*>(nullptr));
          for (int64_t line = 0; line < lines; ++line) {
            T* const to = d_x + (image + line / band_rows) * sizes.image() + part * sizes.group_channels();
            scatter_line(sizes, runs, run, end, row + line % band_rows, to, workspace + line * columns * width);
          }
        }
      }
    }
  }
}

// Sums of the gradient of the weights: the runs of the kernel, each filled up to whole triples of rows, with `filters`
// columns.
inline int64_t convolution_sum_rows(const ConvolutionSizes& sizes) {
  const KernelRuns runs(sizes);
  return divide_up(runs.size, 3) * 3;
}

// Elements of x and of a strip of d_y that stay in the first cache while all tiles run over them; results at least,
// which make it worth to load and store the sums.
constexpr int64_t kSummedElements = 9000, kSummedResults = 32, kStripFilters = 32;

// Rows beyond a run are read too: there must be some.
inline bool copies_input(const ConvolutionSizes& sizes) { return sizes.is_padded() || KernelRuns(sizes).size % 3 != 0; }

template <class T>
ConvolutionCut convolution_weight_cut(const ConvolutionSizes& sizes) {
  const int64_t columns = sizes.columns.output;
  const int64_t of_row = sizes.rows.stride * sizes.columns.reach(columns) * sizes.channels +
                         columns * smaller(sizes.filters, kStripFilters);
  int64_t rows = larger(kSummedElements / of_row, divide_up(kSummedResults, columns));
  ConvolutionCut cut = cut_bands(sizes, smaller(rows, kMostSegments));
  cut.thread_workspace = copies_input(sizes) ? band_workspace<T>(sizes, cut.images, cut.rows) : 0;
  return cut;
}

// sums (+)= what `images` give for the filters [first, first + filters), all of one group.
template <class T>
void convolution_weight_gradient(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images,
                                 int64_t first, int64_t filters, T* sums, const T* x, const T* d_y, T* workspace) {
  const KernelRuns runs(sizes);
  const int64_t columns = sizes.columns.output, part = first / sizes.group_filters();
  const int64_t triples = divide_up(runs.size, 3), all = runs.count * triples;
  constexpr int64_t most = kTileRows / 3;
  const int64_t tiles = divide_up(all, most), height = all / tiles, higher = all % tiles;
  int64_t segment[kMostSegments], group[most];

  for (int64_t image = 0; image < images; image += cut.images) {
    const int64_t together = smaller(cut.images, images - image);
    for (int64_t row = 0; row < sizes.rows.output; row += cut.rows) {
      const ConvolutionBand band{together, row, smaller(cut.rows, sizes.rows.output - row)};
      const BandInput<T> input = band_input(sizes, x + image * sizes.image(), band, copies_input(sizes), workspace);
      const T* const start = input.start + part * sizes.group_channels();
      const T* const b = d_y + (image * sizes.rows.output + row) * columns * sizes.filters + first;
      const Pieces pieces{segment, together * band.rows, columns, group, 1, sizes.columns.stride * input.pixel};
      for (int64_t line = 0; line < pieces.segments; ++line) segment[line] = input.line(line);
      for (int64_t j = 0; j < filters;) {
        const TileColumns<T> strip(3 * height + (higher > 0 ? 3 : 0), filters - j);
        for (int64_t tile = 0, triple = 0; tile < tiles; ++tile) {
          const int64_t count = height + (tile < higher);
          for (int64_t g = 0; g < count; ++g) {
            group[g] = runs.offset(sizes, input, (triple + g) / triples) + (triple + g) % triples * 3;
          }
          strip.tile(3 * count)(pieces, start, b + j, sizes.filters, sums + 3 * triple * filters + j, filters,
                                strip.last, image > 0 || row > 0);
          triple += count;
        }
        j += strip.columns;
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
