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

// As many as a line has elements, so that a line each time is enough.
template <class T>
constexpr int64_t kAskedRows = 64 / sizeof(T);

// `partial`: the last vector has `last` lanes, not all. `asking`: for k elements of each of kAskedRows rows elsewhere.
enum TileKind { whole, partial, asking };

// The sums of a tile, R rows of V vectors, from C or from zero. Of a partial tile's last vector `last` lanes count.
template <class T, int R, int V, bool Partial>
GANGLION_INLINE void load_sums(Vector<T> (&sum)[R][V], const T* c, int64_t c_row, int last, bool accumulate) {
  constexpr int lanes = Simd<T>::lanes;
  GANGLION_UNROLL for (int r = 0; r < R; ++r) { GANGLION_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = Vector<T>{}; }
  if (!accumulate) return;
  GANGLION_UNROLL for (int r = 0; r < R; ++r) {
    GANGLION_UNROLL for (int v = 0; v < V; ++v) {
      const T* from = c + r * c_row + v * lanes;
      sum[r][v] = Partial && v == V - 1 ? load_first(from, last) : load(from);
    }
  }
}

template <class T, int R, int V, bool Partial>
GANGLION_INLINE void store_sums(const Vector<T> (&sum)[R][V], T* c, int64_t c_row, int last) {
  constexpr int lanes = Simd<T>::lanes;
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

// Rows r and r + 1, r + 2 share a pointer, which spares registers.
constexpr int row_groups(int rows) { return (rows + 2) / 3; }

// Adds the product of a column of A, of which each three rows have a pointer, and a row of B. `Paired`: of two
// neighbours in A, the first for the even columns and the second for the odd ones.
template <class T, int R, int V, bool Partial, bool Paired = false>
GANGLION_INLINE void add_outer_product(Vector<T> (&sum)[R][V], const T* const (&group)[row_groups(R)], int64_t a_row,
                                       const T* b, int last) {
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> row[V];
  GANGLION_UNROLL for (int v = 0; v < V; ++v) {
    row[v] = Partial && v == V - 1 ? load_first(b + v * lanes, last) : load(b + v * lanes);
  }
  GANGLION_UNROLL for (int r = 0; r < R; ++r) {
    const T* const from = group[r / 3] + r % 3 * a_row;
    const Vector<T> x = Paired ? broadcast_pair(from) : broadcast(*from);
    GANGLION_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = fma(x, row[v], sum[r][v]);
  }
}

// C (R x columns) (+)= A (R x k) B (k x columns): columns fill V vectors. Columns of B and C are contiguous; A is read
// through two strides.
template <class T, int R, int V, TileKind Kind>
void matmul_tile(int64_t k, const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row, T* c, int64_t c_row,
                 int last, bool accumulate, const T* const* asked) {
  constexpr bool is_partial = Kind == partial;
  constexpr int groups = row_groups(R);
  const T* group[groups];
  GANGLION_UNROLL for (int g = 0; g < groups; ++g) group[g] = a + 3 * g * a_row;
  Vector<T> sum[R][V];
  load_sums<T, R, V, is_partial>(sum, c, c_row, last, accumulate);
  constexpr int64_t rows = kAskedRows<T>;
  for (int64_t p = 0; p < k; ++p, b += b_row) {
    // A line each time: many at once would keep the loads below waiting.
    if constexpr (Kind == asking) __builtin_prefetch(asked[p % rows] + p / rows * rows);
    add_outer_product<T, R, V, is_partial>(sum, group, a_row, b, last);
    GANGLION_UNROLL for (int g = 0; g < groups; ++g) group[g] += a_column;
  }
  store_sums<T, R, V, is_partial>(sum, c, c_row, last);
}

template <class T>
using MatmulTile = void (*)(int64_t k, const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row, T* c,
                            int64_t c_row, int last, bool accumulate, const T* const* asked);

// The tile of R rows and V vectors; null where it would not fit, and where only the widest asks.
template <class T, int R, int V, TileKind Kind>
constexpr MatmulTile<T> tile_or_null() {
  if constexpr (V > (R <= kFewRows ? kWideVectors : kTileVectors) || (Kind == asking && V != kTileVectors)) {
    return nullptr;
  } else {
    return matmul_tile<T, R, V, Kind>;
  }
}

template <class T, int R, int V>
struct TileKinds {
  static constexpr MatmulTile<T> of[] = {tile_or_null<T, R, V, whole>(), tile_or_null<T, R, V, partial>(),
                                         tile_or_null<T, R, V, asking>()};
};

// By rows and width: 1, 2, 4, 8 vectors.
template <class T, int... R>
constexpr const MatmulTile<T>* kMatmulTiles[][4] = {{TileKinds<T, R + 1, 1>::of, TileKinds<T, R + 1, 2>::of,
                                                     TileKinds<T, R + 1, 4>::of, TileKinds<T, R + 1, 8>::of}...};

template <class T, int... R>
GANGLION_INLINE MatmulTile<T> matmul_tile_at(int64_t rows, int width, TileKind kind, std::integer_sequence<int, R...>) {
  return kMatmulTiles<T, R...>[rows - 1][width][kind];
}

// The tile of `rows` rows and 1 << width vectors.
template <class T>
GANGLION_INLINE MatmulTile<T> matmul_tile_of(int64_t rows, int width, TileKind kind) {
  return matmul_tile_at<T>(rows, width, kind, std::make_integer_sequence<int, kTileRows>{});
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
