// The micro-kernel of the convolutions: the tile of a product whose A lies in pieces.
#pragma once

#include "kernels/matmul_tile-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Where A lies: k columns in each of a number of segments. Row r of column p of segment s is at
// segment[s] + group[r / 3] + r % 3 * row + p * column, in elements. The rows of B follow each other.
struct Pieces {
  const int64_t* segment;
  int64_t segments, k;
  const int64_t* group;
  int64_t row, column;
};

// C (R x columns) (+)= A B: columns fill V vectors.
template <class T, int R, int V, bool Partial, bool Paired>
void convolution_tile(const Pieces& pieces, const T* a, const T* b, int64_t b_row, T* c, int64_t c_row, int last,
                      bool accumulate) {
  constexpr int groups = row_groups(R);
  const int64_t a_row = pieces.row, a_column = pieces.column;
  Vector<T> sum[R][V];
  load_sums<T, R, V, Partial>(sum, c, c_row, last, accumulate);
  for (int64_t s = 0; s < pieces.segments; ++s) {
    const T* group[groups];
    GANGLION_UNROLL for (int g = 0; g < groups; ++g) group[g] = a + pieces.segment[s] + pieces.group[g];
    for (int64_t p = 0; p < pieces.k; ++p, b += b_row) {
      add_outer_product<T, R, V, Partial, Paired>(sum, group, a_row, b, last);
      GANGLION_UNROLL for (int g = 0; g < groups; ++g) group[g] += a_column;
    }
  }
  store_sums<T, R, V, Partial>(sum, c, c_row, last);
}

template <class T>
using ConvolutionTile = void (*)(const Pieces& pieces, const T* a, const T* b, int64_t b_row, T* c, int64_t c_row,
                                 int last, bool accumulate);

// Null where a tile would not fit the registers.
template <class T, int R, int V, bool Partial, bool Paired>
constexpr ConvolutionTile<T> convolution_tile_or_null() {
  if constexpr (V > (R <= kFewRows ? kWideVectors : kTileVectors)) {
    return nullptr;
  } else {
    return convolution_tile<T, R, V, Partial, Paired>;
  }
}

// Beside `whole` and `partial`: of whole vectors, for pairs of results (convolution_pairs-inl.h).
constexpr int kPaired = 2;

template <class T, int R, int V>
struct ConvolutionTileKinds {
  static constexpr ConvolutionTile<T> of[] = {convolution_tile_or_null<T, R, V, false, false>(),
                                              convolution_tile_or_null<T, R, V, true, false>(),
                                              convolution_tile_or_null<T, R, V, false, true>()};
};

// By rows and width: 1, 2, 4, 8 vectors.
template <class T, int... R>
constexpr const ConvolutionTile<T>* kConvolutionTiles[][4] = {
    {ConvolutionTileKinds<T, R + 1, 1>::of, ConvolutionTileKinds<T, R + 1, 2>::of,
     ConvolutionTileKinds<T, R + 1, 4>::of, ConvolutionTileKinds<T, R + 1, 8>::of}...};

template <class T, int... R>
GANGLION_INLINE ConvolutionTile<T> convolution_tile_at(int64_t rows, int width, int kind,
                                                       std::integer_sequence<int, R...>) {
  return kConvolutionTiles<T, R...>[rows - 1][width][kind];
}

// The columns of B that a tile covers: the widest of which every vector has columns.
template <class T>
struct TileColumns {
  static constexpr int64_t lanes = Simd<T>::lanes;
  int width = 0;
  int64_t columns;
  int last;

  // Of the `left` columns that are left, for tiles of at most `rows` rows.
  TileColumns(int64_t rows, int64_t left) {
    const int64_t strip = (rows <= kFewRows ? kWideVectors : kTileVectors) * lanes;
    while (lanes << (width + 1) <= strip && (lanes << (width + 1)) - lanes < left) ++width;
    columns = smaller(lanes << width, left);
    last = static_cast<int>(columns - (lanes << width) + lanes);
  }

  ConvolutionTile<T> tile(int64_t rows) const {
    return convolution_tile_at<T>(rows, width, last != lanes ? partial : whole,
                                  std::make_integer_sequence<int, kTileRows>{});
  }

  ConvolutionTile<T> tile_of_pairs(int64_t rows) const {
    return convolution_tile_at<T>(rows, width, kPaired, std::make_integer_sequence<int, kTileRows>{});
  }
};

}  // namespace GANGLION_ISA
}  // namespace ganglion
