// The gradient of a convolution's weights: each tile is some elements of the kernel and some filters, and its chains
// run over the results.
#pragma once

#include "kernels/convolution-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Rows of sums for a run of the kernel: whole triples.
inline int64_t convolution_sum_rows(const ConvolutionSizes& sizes) {
  return sizes.is_depthwise() ? 1 : divide_up(KernelRuns(sizes).size, 3) * 3;
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
                         columns * (sums_pairs(sizes) ? kPairedFilters : smaller(sizes.filters, kStripFilters));
  int64_t rows = larger(kSummedElements / of_row, divide_up(kSummedResults, columns));
  ConvolutionCut cut = cut_bands(sizes, smaller(rows, kMostSegments));
  cut.thread_workspace = sizes.is_depthwise()  ? depthwise_workspace<T>(sizes, cut.images, cut.rows)
                         : sums_pairs(sizes)   ? weight_pairs_workspace<T>(sizes, cut)
                         : copies_input(sizes) ? band_workspace<T>(sizes, cut.images, cut.rows)
                                               : 0;
  return cut;
}

// sums (+)= what a band gives for the filters [first, first + filters), all of one group.
template <class T>
void convolution_weight_band(const ConvolutionSizes& sizes, const ConvolutionBand& band, int64_t first, int64_t filters,
                             T* sums, const T* x, const T* d_y, bool accumulate, T* workspace) {
  const KernelRuns runs(sizes);
  const BandInput<T> input = band_input(sizes, x, band, copies_input(sizes), workspace);
  const T* const start = input.start + first / sizes.group_filters() * sizes.group_channels();
  const int64_t triples = divide_up(runs.size, 3), all = runs.count * triples;
  constexpr int64_t most = kTileRows / 3;
  const int64_t tiles = divide_up(all, most), height = all / tiles, higher = all % tiles;
  int64_t segment[kMostSegments], group[most];
  const Pieces pieces{segment, band.images * band.rows,           sizes.columns.output, group,
                      1,       sizes.columns.stride * input.pixel};
  for (int64_t line = 0; line < pieces.segments; ++line) segment[line] = input.line(line);
  for (int64_t j = 0; j < filters;) {
    const TileColumns<T> strip(3 * height + (higher > 0 ? 3 : 0), filters - j);
    for (int64_t tile = 0, triple = 0; tile < tiles; ++tile) {
      const int64_t count = height + (tile < higher);
      for (int64_t g = 0; g < count; ++g) {
        group[g] = runs.offset(sizes, input, (triple + g) / triples) + (triple + g) % triples * 3;
      }
      strip.tile(3 * count)(pieces, start, d_y + first + j, sizes.filters, sums + 3 * triple * filters + j, filters,
                            strip.last, accumulate);
      triple += count;
    }
    j += strip.columns;
  }
}

template <class T>
void convolution_weight_gradient(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images,
                                 int64_t first, int64_t filters, T* sums, const T* x, const T* d_y, T* workspace) {
  if (sizes.is_depthwise()) set_zero(sums, sizes.weights());
  for (int64_t image = 0; image < images; image += cut.images) {
    for (int64_t row = 0; row < sizes.rows.output; row += cut.rows) {
      const ConvolutionBand band{smaller(cut.images, images - image), row, smaller(cut.rows, sizes.rows.output - row)};
      const T* const from = x + image * sizes.image();
      const T* const g = d_y + image * sizes.result() + row * sizes.columns.output * sizes.filters;
      if (sizes.is_depthwise()) {
        depthwise_weight_band(sizes, band, sums, from, g, workspace);
      } else if (sums_pairs(sizes)) {
        convolution_weight_pairs(sizes, band, sums, from, g, image > 0 || row > 0, workspace);
      } else {
        convolution_weight_band(sizes, band, first, filters, sums, from, g, image > 0 || row > 0, workspace);
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
