// The micro-kernel of the products: a tile of C as outer products, and the table of its sizes.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// The largest tile: its sums, a row of B and one broadcast fill the registers. A tile of few rows is
// wider, or its few chains of additions would wait for each other.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileRows = 12, kTileVectors = 2, kFewRows = 3, kWideVectors = 8;
#else
constexpr int kTileRows = 6, kTileVectors = 2, kFewRows = 3, kWideVectors = 4;
#endif

// C (R x columns) (+)= A (R x k) B (k x columns): columns fill V - 1 vectors and `last` lanes of one more,
// all of them unless Partial. Columns of B and C are contiguous; A is read through two strides.
template <class T, int R, int V, bool Partial>
void matmul_tile(int64_t k, const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row, T* c, int64_t c_row,
                 int last, bool accumulate) {
  constexpr int lanes = Simd<T>::lanes;
  constexpr int groups = (R + 2) / 3;  // rows r and r + 1, r + 2 share a pointer, which spares registers
  const T* group[groups];
  GANGLION_UNROLL for (int g = 0; g < groups; ++g) group[g] = a + 3 * g * a_row;
  Vector<T> sum[R][V];
  GANGLION_UNROLL for (int r = 0; r < R; ++r) { GANGLION_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = Vector<T>{}; }
  if (accumulate) {
    GANGLION_UNROLL for (int r = 0; r < R; ++r) {
      GANGLION_UNROLL for (int v = 0; v < V; ++v) {
        const T* from = c + r * c_row + v * lanes;
        sum[r][v] = Partial && v == V - 1 ? load_first(from, last) : load(from);
      }
    }
  }
  for (int64_t p = 0; p < k; ++p) {
    Vector<T> row[V];
    GANGLION_UNROLL for (int v = 0; v < V; ++v) {
      row[v] = Partial && v == V - 1 ? load_first(b + v * lanes, last) : load(b + v * lanes);
    }
    b += b_row;
    GANGLION_UNROLL for (int r = 0; r < R; ++r) {
      const Vector<T> x = broadcast(group[r / 3][r % 3 * a_row]);
      GANGLION_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = fma(x, row[v], sum[r][v]);
    }
    GANGLION_UNROLL for (int g = 0; g < groups; ++g) group[g] += a_column;
  }
  GANGLION_UNROLL for (int r = 0; r < R; ++r) {
    GANGLION_UNROLL for (int v = 0; v < V; ++v) {
      T* to = c + r * c_row + v * lanes;
      if (Partial && v == V - 1) {
        store_first(to, sum[r][v], last);
      } else {
        store(to, sum[r][v]);
      }
    }
  }
}

template <class T>
using MatmulTile = void (*)(int64_t k, const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row, T* c,
                            int64_t c_row, int last, bool accumulate);

// Tiles of R rows by their width: 1, 2, 4, 8 vectors (null where they would not fit), whole or partial.
template <class T, int R, int V>
constexpr MatmulTile<T> tile_or_null(bool partial) {
  if constexpr (V <= (R <= kFewRows ? kWideVectors : kTileVectors)) {
    return partial ? matmul_tile<T, R, V, true> : matmul_tile<T, R, V, false>;
  } else {
    return nullptr;
  }
}

template <class T, int... R>
constexpr MatmulTile<T> kMatmulTiles[][4][2] = {
    {{tile_or_null<T, R + 1, 1>(false), tile_or_null<T, R + 1, 1>(true)},
     {tile_or_null<T, R + 1, 2>(false), tile_or_null<T, R + 1, 2>(true)},
     {tile_or_null<T, R + 1, 4>(false), tile_or_null<T, R + 1, 4>(true)},
     {tile_or_null<T, R + 1, 8>(false), tile_or_null<T, R + 1, 8>(true)}}...};

template <class T, int... R>
GANGLION_INLINE MatmulTile<T> matmul_tile_at(int64_t rows, int width, bool partial, std::integer_sequence<int, R...>) {
  return kMatmulTiles<T, R...>[rows - 1][width][partial];
}

// The tile of `rows` rows and 1 << width vectors.
template <class T>
GANGLION_INLINE MatmulTile<T> matmul_tile_of(int64_t rows, int width, bool partial) {
  return matmul_tile_at<T>(rows, width, partial, std::make_integer_sequence<int, kTileRows>{});
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
