// One block of a matrix product: packing, and the loops around the tiles.
#pragma once

#include "kernels/matmul_tile-inl.h"
#include "kernels/transpose-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// A product as the tiles see it: out (rows x columns) = left (rows x k) right (k x columns), with vectors along the
// columns. It is C = A B itself or, turned, C^T = B^T A^T: then vectors run along the rows of C, and the
// result is transposed into C.
template <class T>
struct TileProduct {
  int64_t rows, columns, k;
  const T* left;
  int64_t left_row, left_column;
  const T* right;
  int64_t right_row, right_column;
};

template <class T>
TileProduct<T> tile_product(const Matmul<T>& x, bool turned) {
  if (!turned) return {x.m, x.n, x.k, x.a, x.a_row, x.a_column, x.b, x.b_row, x.b_column};
  return {x.n, x.m, x.k, x.b, x.b_column, x.b_row, x.a, x.a_column, x.a_row};
}

template <class T>
struct MatmulSizes {
  static constexpr int lanes = Simd<T>::lanes;
  static constexpr int64_t strip = kTileVectors * lanes;  // columns of a tile
  // Rows of `right` a tile runs over at a time: a strip of them takes 64 KiB, a block's part of `left` half a
  // second cache. Where the chain of additions is interrupted does not change its bits.
  static constexpr int64_t depth = 2048 / sizeof(T);
  static constexpr int64_t most_rows = 512;
  // The copy of `left`: distance of two rows of a tile, and of two strips of rows. Neither is a power of two,
  // or rows would share a set of the cache.
  static constexpr int64_t left_row = depth + 16;
  static constexpr int64_t left_strip = kTileRows * left_row;
};

// Rows in tiles of nearly equal heights: 11 + 11 + 10 rather than 12 + 12 + 8.
struct RowStrips {
  int64_t count, height, higher;
  explicit RowStrips(int64_t rows) : count(divide_up(rows, kTileRows)), height(rows / count), higher(rows % count) {}
  int64_t rows(int64_t strip) const { return height + (strip < higher); }
  int64_t total() const { return count * height + higher; }
};

// Workspace of one block, in this order; a part that is not needed is empty.
template <class T>
struct MatmulWorkspace {
  int64_t out, out_row, right, left;
  MatmulWorkspace(const MatmulPlan& plan, int64_t rows, int64_t columns)
      : out_row(divide_up(columns, Simd<T>::lanes) * Simd<T>::lanes) {
    out = plan.turned ? rows * out_row : 0;
    right = plan.pack_right ? MatmulSizes<T>::depth * MatmulSizes<T>::strip : 0;
    left = plan.pack_left ? divide_up(rows, kTileRows) * MatmulSizes<T>::left_strip : 0;
  }
  int64_t size() const { return out + right + left; }
};

// Rows first ... last - 1 of a matrix whose columns are contiguous.
template <bool Write, class T>
GANGLION_INLINE void prefetch_rows(const T* x, int64_t row, int64_t first, int64_t last, int64_t columns) {
  for (int64_t i = first; i < last; ++i) {
    for (int64_t j = 0; j < columns; j += 64 / sizeof(T)) __builtin_prefetch(x + i * row + j, Write);
  }
}

// Columns of `right` (k x columns), up to a strip of them, as rows of contiguous vectors.
template <class T>
void pack_right(T* to, const T* from, int64_t row, int64_t column, int64_t k, int64_t columns) {
  constexpr int64_t strip = MatmulSizes<T>::strip;
  constexpr int lanes = MatmulSizes<T>::lanes;
  if (row == 1) return transpose(to, strip, from, column, columns, k, true);
  const int64_t whole = columns / lanes * lanes;
  for (int64_t p = 0; p < k; ++p, to += strip, from += row) {
    if (column == 1) {
      for (int64_t j = 0; j < whole; j += lanes) store(to + j, load(from + j));
      if (whole < columns) store(to + whole, load_first(from + whole, static_cast<int>(columns - whole)));
    } else {
      for (int64_t j = 0; j < columns; ++j) to[j] = from[j * column];
    }
  }
}

// The rows of `left` (rows x k), a strip of tile rows after the other. Its order is kept: where rows are contiguous in
// memory, kTileRows of them for each k; otherwise k values for each row.
template <class T>
void pack_left(T* to, const T* from, int64_t row, int64_t column, int64_t k, const RowStrips& strips) {
  using Sizes = MatmulSizes<T>;
  if (row == 1) {
    constexpr int lanes = Sizes::lanes;
    for (int64_t p = 0; p < k; ++p) {
      const T* x = from + p * column;
      prefetch_rows<false>(x, column, 4, 5, strips.total());
      for (int64_t s = 0; s < strips.count; x += strips.rows(s++)) {
        // Whole vectors are stored: what is too much is overwritten by the next k, or lies between two strips.
        T* const target = to + s * Sizes::left_strip + p * kTileRows;
        for (int64_t r = 0; r < strips.rows(s); r += lanes) {
          store(target + r, load_first(x + r, static_cast<int>(smaller(lanes, strips.rows(s) - r))));
        }
      }
    }
  } else {
    for (int64_t s = 0; s < strips.count; ++s) {
      for (int64_t r = 0; r < strips.rows(s); ++r, from += row) {
        if (column == 1) prefetch_rows<false>(from, row, 4, 5, k);
        for (int64_t p = 0; p < k; ++p) to[s * Sizes::left_strip + r * Sizes::left_row + p] = from[p * column];
      }
    }
  }
}

// Part `part` of `parts` of what the next strip of `right` reads, k x columns from x.
template <class T>
GANGLION_INLINE void prefetch_right(const T* x, int64_t row, int64_t column, int64_t k, int64_t columns, int64_t part,
                                    int64_t parts) {
  if (column == 1) {
    prefetch_rows<false>(x, row, k * part / parts, k * (part + 1) / parts, columns);
  } else if (row == 1) {
    prefetch_rows<false>(x, column, columns * part / parts, columns * (part + 1) / parts, k);
  }
}

// out (+)= left right over a block's rows and columns.
template <class T>
void run_tiles(const TileProduct<T>& x, const MatmulPlan& plan, T* out, int64_t out_row, bool accumulate,
               T* right_workspace, T* left_workspace) {
  using Sizes = MatmulSizes<T>;
  constexpr int lanes = Sizes::lanes;
  const RowStrips strips(x.rows);
  const int64_t widest = x.rows <= kFewRows && !plan.pack_right ? kWideVectors : kTileVectors;
  for (int64_t p = 0; p == 0 || p < x.k; p += Sizes::depth) {
    const int64_t k = smaller(Sizes::depth, x.k - p);
    const T* left = x.left + p * x.left_column;
    int64_t left_row = x.left_row, left_column = x.left_column;
    if (plan.pack_left) {
      pack_left(left_workspace, left, left_row, left_column, k, strips);
      left = left_workspace;
      left_column = left_row == 1 ? kTileRows : 1;
      left_row = left_row == 1 ? 1 : Sizes::left_row;
    }
    for (int64_t j = 0; j < x.columns;) {
      // The widest tile of which every vector has columns.
      const int64_t wanted = smaller(widest, divide_up(x.columns - j, lanes));
      int width = 0;
      while (int64_t{2} << width <= wanted) ++width;
      const int64_t columns = smaller(lanes << width, x.columns - j);
      const int last = static_cast<int>(columns - (lanes << width) + lanes);
      const T* right = x.right + p * x.right_row + j * x.right_column;
      int64_t right_row = x.right_row;
      if (plan.pack_right) {
        pack_right(right_workspace, right, right_row, x.right_column, k, columns);
        right = right_workspace;
        right_row = Sizes::strip;
      }
      for (int64_t s = 0, i = 0; s < strips.count; i += strips.rows(s++)) {
        T* const tile_out = out + i * out_row + j;
        // The next tile's sums come from memory while this one computes.
        if (k >= 64 && s + 1 < strips.count) {
          prefetch_rows<true>(tile_out + strips.rows(s) * out_row, out_row, 0, strips.rows(s + 1), columns);
        }
        if (plan.far) {
          const int64_t next = j + columns;
          prefetch_right(x.right + p * x.right_row + next * x.right_column, x.right_row, x.right_column, k,
                         smaller(columns, x.columns - next), s, strips.count);
        }
        matmul_tile_of<T>(strips.rows(s), width, last != lanes)(
            k, left + (plan.pack_left ? s * Sizes::left_strip : i * left_row), left_row, left_column, right, right_row,
            tile_out, out_row, last, accumulate || p > 0);
      }
      j += columns;
    }
  }
}

template <class T>
void matmul_block(const Matmul<T>& x, const MatmulPlan& plan, int64_t block, T* workspace) {
  const int64_t i = block / plan.column_blocks * plan.block_rows, j = block % plan.column_blocks * plan.block_columns;
  Matmul<T> part = x;
  part.m = smaller(plan.block_rows, x.m - i);
  part.n = smaller(plan.block_columns, x.n - j);
  part.a += i * x.a_row;
  part.b += j * x.b_column;
  part.c += i * x.c_row + j;
  const TileProduct<T> y = tile_product(part, plan.turned);
  const MatmulWorkspace<T> sizes(plan, y.rows, y.columns);
  T* const right = workspace + sizes.out;
  T* const left = right + sizes.right;
  if (!plan.turned) return run_tiles(y, plan, part.c, x.c_row, x.accumulate, right, left);
  if (x.accumulate) transpose(workspace, sizes.out_row, part.c, x.c_row, part.m, part.n, false);
  run_tiles(y, plan, workspace, sizes.out_row, x.accumulate, right, left);
  transpose(part.c, x.c_row, workspace, sizes.out_row, part.n, part.m, false);
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
