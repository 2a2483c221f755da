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
  bool left_is_far;  // and its rows are contiguous
  const T* const* later;
  int64_t later_rows;
};

template <class T>
TileProduct<T> tile_product(const Matmul<T>& x, bool turned) {
  if (turned) return {x.n, x.m, x.k, x.b, x.b_column, x.b_row, x.a, x.a_column, x.a_row, false, nullptr, 0};
  return {x.m,     x.n,         x.k, x.a, x.a_row, x.a_column, x.b, x.b_row, x.b_column, x.a_is_far && x.a_column == 1,
          x.later, x.later_rows};
}

// A panel is the part of `right` that all rows of a block run over before the next. It stays in the second cache; a
// copy that is read once, in the first. Narrow vectors, for which strips of `left` may be copied as well, use each copy
// for more columns. Where the chain of additions is interrupted does not change its bits.
template <class T>
struct MatmulSizes {
  static constexpr int64_t lanes = Simd<T>::lanes, most_columns = kVectorBytes == 64 ? 128 : 256;
  int64_t strip, panel_columns, panel_k;  // strip: columns of the widest tile
  MatmulSizes(int64_t rows, bool pack_right) {
    strip = (rows <= kFewRows && !pack_right ? kWideVectors : kTileVectors) * lanes;
    const bool read_once = pack_right && rows <= kTileRows;
    panel_columns = read_once ? strip : most_columns;
    panel_k = (read_once ? 512 : 2048) / sizeof(T);
  }
};

// Rows in tiles of nearly equal heights: 11 + 11 + 10 rather than 12 + 12 + 8.
struct RowStrips {
  int64_t count, height, higher;
  explicit RowStrips(int64_t rows) : count(divide_up(rows, kTileRows)), height(rows / count), higher(rows % count) {}
  int64_t rows(int64_t strip) const { return height + (strip < higher); }
};

// Workspace of one block, in this order; a part that is not needed is empty.
template <class T>
struct MatmulWorkspace {
  int64_t out, out_row, right, left;
  MatmulWorkspace(const MatmulPlan& plan, int64_t rows, int64_t columns, int64_t depth) {
    const MatmulSizes<T> sizes(rows, plan.pack_right);
    const int64_t k = smaller(depth, sizes.panel_k);
    out_row = divide_up(columns, sizes.lanes) * sizes.lanes;
    out = plan.turned ? rows * out_row : 0;
    right = plan.pack_right ? k * smaller(divide_up(columns, sizes.strip) * sizes.strip, sizes.panel_columns) : 0;
    left = plan.pack_left ? k * kTileRows + sizes.lanes : 0;
  }
  int64_t size() const { return out + right + left; }
};

// A panel of `right` (k x columns) in strips of columns, one after the other, each as rows of contiguous vectors.
template <class T>
void pack_right(T* to, int64_t strip, const T* from, int64_t row, int64_t column, int64_t k, int64_t columns) {
  constexpr int64_t lanes = Simd<T>::lanes, line = 64 / sizeof(T);
  for (int64_t j = 0; j < columns; j += strip, to += k * strip, from += strip * column) {
    const int64_t width = smaller(strip, columns - j), whole = width / lanes * lanes;
    if (row == 1) {
      transpose(to, strip, from, column, width, k, true);
    } else if (column == 1) {
      for (int64_t p = 0; p < k; ++p) {
        const T* x = from + p * row;
        T* const y = to + p * strip;
        for (int64_t i = 0; i < width; i += line) __builtin_prefetch(x + 8 * row + i);
        for (int64_t i = 0; i < whole; i += lanes) store(y + i, load(x + i));
        if (whole < width) store(y + whole, load_first(x + whole, static_cast<int>(width - whole)));
      }
    } else {
      for (int64_t p = 0; p < k; ++p) {
        for (int64_t i = 0; i < width; ++i) to[p * strip + i] = from[p * row + i * column];
      }
    }
  }
}

// At most kTileRows rows of `left` (rows x k) that are contiguous in memory: kTileRows values for each k.
template <class T>
void pack_left(T* to, const T* from, int64_t column, int64_t k, int64_t rows) {
  constexpr int64_t lanes = Simd<T>::lanes;
  for (int64_t p = 0; p < k; ++p, from += column, to += kTileRows) {
    // Whole vectors are stored: what is too much is overwritten by the next k, or lies behind the last.
    for (int64_t r = 0; r < rows; r += lanes) {
      store(to + r, load_first(from + r, static_cast<int>(smaller(lanes, rows - r))));
    }
  }
}

// out (+)= left right for the rows of one tile. A tile's columns of `right` are contiguous. The first tile asks
// for `asked` unless that is null.
template <class T>
void run_tiles(const TileProduct<T>& x, int64_t strip, T* out, int64_t out_row, bool accumulate,
               const T* const* asked) {
  constexpr int64_t lanes = Simd<T>::lanes;
  const T* right = x.right;
  for (int64_t j = 0; j < x.columns;) {
    // The widest tile of which every vector has columns.
    int width = 0;
    while (lanes << (width + 1) <= strip && (lanes << (width + 1)) - lanes < x.columns - j) ++width;
    const int64_t columns = smaller(lanes << width, x.columns - j);
    const int last = static_cast<int>(columns - (lanes << width) + lanes);
    const bool asks = asked && j == 0 && 1 << width == kTileVectors;
    matmul_tile_of<T>(x.rows, width,
                      last != lanes ? partial
                      : asks ? asking
                             : whole)(x.k, x.left, x.left_row, x.left_column, right, x.right_row, out + j, out_row,
                                      last, accumulate, asked);
    j += columns;
    right += columns * x.right_column;
  }
}

// What is asked for beside strip `strip` of `left`, from column `p` on: the rows that follow, `next` and on, or as many
// of those needed later. Whether there is any.
template <class T>
bool find_asked(const TileProduct<T>& x, int64_t next, int64_t strip, int64_t p, const T** asked) {
  const int64_t first = x.left_is_far ? next : strip * kAskedRows<T>;
  const int64_t last = (x.left_is_far ? x.rows : x.later_rows) - 1;
  if (first > last) return false;
  for (int64_t r = 0; r < kAskedRows<T>; ++r) {
    const int64_t row = smaller(first + r, last);
    asked[r] = (x.left_is_far ? x.left + row * x.left_row : x.later[row]) + p;
  }
  return true;
}

// out (+)= left right for the rows and columns of a block.
template <class T>
void run_panels(const TileProduct<T>& x, const MatmulPlan& plan, T* out, int64_t out_row, bool accumulate,
                T* right_workspace, T* left_workspace) {
  const MatmulSizes<T> sizes(x.rows, plan.pack_right);
  const RowStrips strips(x.rows);
  for (int64_t p = 0; p == 0 || p < x.k; p += sizes.panel_k) {
    for (int64_t j = 0; j < x.columns; j += sizes.panel_columns) {
      TileProduct<T> part = x;
      part.k = smaller(sizes.panel_k, x.k - p);
      part.columns = smaller(sizes.panel_columns, x.columns - j);
      part.right += p * x.right_row + j * x.right_column;
      if (plan.pack_right) {
        pack_right(right_workspace, sizes.strip, part.right, x.right_row, x.right_column, part.k, part.columns);
        part.right = right_workspace;
        part.right_row = sizes.strip;
        part.right_column = part.k;
      }
      for (int64_t s = 0, i = 0; s < strips.count; i += strips.rows(s++)) {
        part.rows = strips.rows(s);
        part.left = x.left + i * x.left_row + p * x.left_column;
        if (plan.pack_left) {
          pack_left(left_workspace, part.left, x.left_column, part.k, part.rows);
          part.left = left_workspace;
          part.left_column = kTileRows;
        }
        const T* asked[kAskedRows<T>];
        const bool asks = j == 0 && find_asked(x, i + part.rows, s, p, asked);
        run_tiles(part, sizes.strip, out + i * out_row + j, out_row, accumulate || p > 0, asks ? asked : nullptr);
      }
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
  part.a_is_far = x.a_is_far && j == 0;
  if (part.later) part.later += i;
  part.later_rows = j == 0 ? smaller(x.later_rows - i, part.m) : 0;
  const TileProduct<T> y = tile_product(part, plan.turned);
  const MatmulWorkspace<T> sizes(plan, y.rows, y.columns, y.k);
  T* const right = workspace + sizes.out;
  T* const left = right + sizes.right;
  if (!plan.turned) return run_panels(y, plan, part.c, x.c_row, x.accumulate, right, left);
  if (x.accumulate) transpose(workspace, sizes.out_row, part.c, x.c_row, part.m, part.n, false);
  run_panels(y, plan, workspace, sizes.out_row, x.accumulate, right, left);
  transpose(part.c, x.c_row, workspace, sizes.out_row, part.n, part.m, false);
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
