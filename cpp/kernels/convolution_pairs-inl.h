// Convolutions of one channel with few filters, which would leave most lanes of a vector empty. What two neighbouring
// results read of x lies side by side, so a vector holds both, filter by filter: y[x][0], y[x + 1][0], y[x][1] ...
#pragma once

#include "kernels/convolution_band-inl.h"
#include "kernels/convolution_tile-inl.h"
#include "kernels/matmul_block-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

constexpr int64_t kMostSegments = 64;
// Filters that are summed in pairs, on every instruction set: the order of the sum decides about its bits.
constexpr int64_t kPairedFilters = 8;
// Elements read behind a copy of x: as far as whole triples of the kernel and the last pair reach.
constexpr int64_t kBehindPairs = 16;

inline bool has_pairs(const ConvolutionSizes& sizes) {
  return sizes.channels == 1 && sizes.joins_columns() && sizes.columns.stride == 1 &&
         sizes.rows.kernel <= kMostSegments;
}

// The chain of a result is the same alone as in a pair, so this may depend on the vectors.
template <class T>
bool convolves_pairs(const ConvolutionSizes& sizes) {
  return has_pairs(sizes) && 2 * sizes.filters <= Simd<T>::lanes;
}
inline bool sums_pairs(const ConvolutionSizes& sizes) { return has_pairs(sizes) && sizes.filters <= kPairedFilters; }

// Workspaces: sums of a tile, then the weights, or the band's part of d_y, in pairs, and the copy of x.
template <class T>
int64_t pairs_workspace(const ConvolutionSizes& sizes, const ConvolutionCut& cut) {
  const int64_t lanes = Simd<T>::lanes;
  return kTileRows * lanes + sizes.taps() * lanes + band_workspace<T>(sizes, cut.images, cut.rows) + kBehindPairs;
}

// Columns of a pair of d_y: whole vectors.
template <class T>
int64_t pair_columns(const ConvolutionSizes& sizes) {
  return divide_up(2 * sizes.filters, Simd<T>::lanes) * Simd<T>::lanes;
}

template <class T>
int64_t weight_pairs_workspace(const ConvolutionSizes& sizes, const ConvolutionCut& cut) {
  const int64_t pairs = cut.images * cut.rows * divide_up(sizes.columns.output, 2);
  return (kTileRows + pairs) * pair_columns<T>(sizes) + band_workspace<T>(sizes, cut.images, cut.rows) + kBehindPairs;
}

template <class T>
void convolution_of_pairs(const ConvolutionSizes& sizes, const ConvolutionBand& band, T* y, const T* x,
                          const T* weights, T* workspace) {
  constexpr int64_t lanes = Simd<T>::lanes;
  const int filters = static_cast<int>(sizes.filters);
  const int64_t columns = sizes.columns.output;
  T* const sums = workspace;
  T* const doubled = sums + kTileRows * lanes;
  for (int64_t tap = 0; tap < sizes.taps(); ++tap) {
    const Vector<T> w = load_first(weights + tap * filters, filters);
    store(doubled + tap * lanes, interleave<T>(w, w));
  }
  const BandInput<T> input = band_input(sizes, x, band, true, doubled + sizes.taps() * lanes);
  const KernelRuns runs(sizes);
  const RowStrips strips(divide_up(columns, 2));
  const TileColumns<T> strip(strips.rows(0), lanes);
  int64_t segment[kMostSegments], group[row_groups(kTileRows)];
  for (int g = 0; g < row_groups(kTileRows); ++g) group[g] = 6 * g;
  const Pieces pieces{segment, runs.count, runs.size, group, 2, 1};
  for (int64_t s = 0; s < runs.count; ++s) segment[s] = runs.offset(sizes, input, s);
  for (int64_t line = 0; line < band.images * band.rows; ++line) {
    const T* from = input.start + input.line(line);
    T* to = y + line * columns * filters;
    T* const end = to + columns * filters;
    for (int64_t s = 0; s < strips.count; ++s) {
      const int64_t pairs = strips.rows(s);
      strip.tile_of_pairs(pairs)(pieces, from, doubled, lanes, sums, lanes, lanes, false);
      for (int64_t pair = 0; pair < pairs; ++pair, to += 2 * filters) {
        const Vector<T> both = load(sums + pair * lanes);
        store_first(to, every_second<T, 0>(both), filters);
        if (to + filters < end) store_first(to + filters, every_second<T, 1>(both), filters);
      }
      from += 2 * pairs;
    }
  }
}

// A band's rows of d_y in pairs, of which the last of a row may be one result alone.
template <class T>
void pair_results(const ConvolutionSizes& sizes, int64_t lines, T* to, const T* d_y) {
  constexpr int64_t half = Simd<T>::lanes / 2;
  const int64_t columns = sizes.columns.output, filters = sizes.filters;
  for (int64_t line = 0; line < lines; ++line) {
    for (int64_t x = 0; x < columns; x += 2, d_y += 2 * filters) {
      for (int64_t f = 0; f < filters; f += half, to += 2 * half) {
        const int count = static_cast<int>(smaller(half, filters - f));
        store(to,
              interleave<T>(load_first(d_y + f, count), load_first(d_y + filters + f, x + 1 < columns ? count : 0)));
      }
    }
    if (columns % 2 != 0) d_y -= filters;
  }
}

// sums (+)= what a band gives, laid out as convolution_weight_band does.
template <class T>
void convolution_weight_pairs(const ConvolutionSizes& sizes, const ConvolutionBand& band, T* sums, const T* x,
                              const T* d_y, bool accumulate, T* workspace) {
  constexpr int64_t half = Simd<T>::lanes / 2, most = kTileRows / 3;
  const int64_t width = pair_columns<T>(sizes), filters = sizes.filters, lines = band.images * band.rows;
  const int64_t pairs = divide_up(sizes.columns.output, 2);
  T* const of_tile = workspace;
  T* const paired = of_tile + kTileRows * width;
  T* const copy = paired + lines * pairs * width;
  pair_results(sizes, lines, paired, d_y);
  const BandInput<T> input = band_input(sizes, x, band, true, copy);
  set_zero(copy + band.images * input.image, kBehindPairs);  // the missing half of a pair is zero times these
  const KernelRuns runs(sizes);
  const int64_t triples = divide_up(runs.size, 3), all = runs.count * triples;
  int64_t segment[kMostSegments], group[most];
  const Pieces pieces{segment, lines, pairs, group, 1, 2};
  for (int64_t line = 0; line < lines; ++line) segment[line] = input.line(line);
  for (int64_t triple = 0; triple < all; triple += most) {
    const int64_t count = smaller(most, all - triple);
    for (int64_t g = 0; g < count; ++g) {
      group[g] = runs.offset(sizes, input, (triple + g) / triples) + (triple + g) % triples * 3;
    }
    for (int64_t j = 0; j < width;) {
      const TileColumns<T> strip(3 * count, width - j);
      strip.tile_of_pairs(3 * count)(pieces, input.start, paired + j, width, of_tile + j, width, strip.last, false);
      j += strip.columns;
    }
    for (int64_t row = 0; row < 3 * count; ++row) {
      T* const to = sums + (3 * triple + row) * filters;
      for (int64_t f = 0; f < filters; f += half) {
        const int left = static_cast<int>(smaller(half, filters - f));
        const Vector<T> both = load(of_tile + row * width + 2 * f);
        const Vector<T> sum = every_second<T, 0>(both) + every_second<T, 1>(both);
        store_first(to + f, accumulate ? load_first(to + f, left) + sum : sum, left);
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
