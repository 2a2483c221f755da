// Convolutions as products: a tile is some results of a row and some filters, and its chains run over the kernel.
#pragma once

#include "kernels/convolution_band-inl.h"
#include "kernels/convolution_depthwise-inl.h"
#include "kernels/convolution_pairs-inl.h"
#include "kernels/convolution_tile-inl.h"
#include "kernels/matmul_block-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Elements of the results of a band, which stay in the first cache until the epilogue has read them; at least as many
// results as make it worth reading weights from the second cache, or from further away.
constexpr int64_t kBandElements = 8192, kManyResults = 192, kBandResults = 48, kFewResults = 8;
constexpr int64_t kCachedWeights = 1 << 16, kFarWeights = 1 << 20;
inline int64_t fewest_results(const ConvolutionSizes& sizes) {
  if (sizes.weights() > kFarWeights) return kManyResults;
  return sizes.weights() > kCachedWeights ? kBandResults : kFewResults;
}
// Elements of a panel of the weights, which stays in the second cache while the results of a band run over it.
constexpr int64_t kPanelRows = 1024;

// Rows of the results of a band or, of small images, how many images.
inline ConvolutionCut cut_bands(const ConvolutionSizes& sizes, int64_t rows) {
  ConvolutionCut cut;
  cut.rows = larger(1, smaller(rows, sizes.rows.output));
  cut.images = larger(1, rows / sizes.rows.output);
  return cut;
}

template <class T>
ConvolutionCut convolution_cut(const ConvolutionSizes& sizes) {
  const int64_t columns = sizes.columns.output;
  const int64_t rows = larger(kBandElements / (columns * sizes.filters), divide_up(fewest_results(sizes), columns));
  ConvolutionCut cut = cut_bands(sizes, rows);
  cut.thread_workspace = sizes.is_depthwise()        ? depthwise_workspace<T>(sizes, cut.images, cut.rows)
                         : convolves_pairs<T>(sizes) ? pairs_workspace<T>(sizes, cut)
                         : sizes.is_padded()         ? band_workspace<T>(sizes, cut.images, cut.rows)
                                                     : 0;
  return cut;
}

// y, the band's own results, from x, its first image.
template <class T>
void convolution(const ConvolutionSizes& sizes, const ConvolutionBand& band, T* y, const T* x, const T* weights,
                 T* workspace) {
  if (sizes.is_depthwise()) return depthwise(sizes, band, y, x, weights, workspace);
  if (convolves_pairs<T>(sizes)) return convolution_of_pairs(sizes, band, y, x, weights, workspace);
  const BandInput<T> input = band_input(sizes, x, band, sizes.is_padded(), workspace);
  const int64_t filters = sizes.filters, of_group = sizes.group_filters(), columns = sizes.columns.output;
  const KernelRuns runs(sizes);
  const RowStrips strips(columns);
  const int64_t panel_runs = larger(1, smaller(kMostSegments, kPanelRows / runs.size));
  const int64_t result = sizes.columns.stride * input.pixel;
  int64_t segment[kMostSegments], group[row_groups(kTileRows)];
  for (int g = 0; g < row_groups(kTileRows); ++g) group[g] = 3 * g * result;

  for (int64_t part = 0; part < sizes.groups; ++part) {
    const T* const start = input.start + part * sizes.group_channels();
    for (int64_t run = 0; run < runs.count; run += panel_runs) {
      Pieces pieces{segment, smaller(panel_runs, runs.count - run), runs.size, group, result, 1};
      for (int64_t s = 0; s < pieces.segments; ++s) segment[s] = runs.offset(sizes, input, run + s);
      const T* const panel = weights + run * runs.size * filters;
      for (int64_t j = part * of_group; j < (part + 1) * of_group;) {
        const TileColumns<T> strip(strips.rows(0), (part + 1) * of_group - j);
        for (int64_t line = 0; line < band.images * band.rows; ++line) {
          const T* a = start + input.line(line);
          T* to = y + line * columns * filters + j;
          for (int64_t s = 0; s < strips.count; ++s) {
            const int64_t rows = strips.rows(s);
            strip.tile(rows)(pieces, a, panel + j, filters, to, filters, strip.last, run > 0);
            a += rows * result;
            to += rows * filters;
          }
        }
        j += strip.columns;
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
