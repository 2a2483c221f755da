// How a matrix product is cut into blocks, and which way its tiles lie.
#pragma once

#include "kernels/matmul_block-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Estimated cycles. Two fused multiply-adds a cycle, if a tile has enough chains to hide their latency.
template <class T>
struct MatmulCost {
  const TileProduct<T>& x;
  bool turned, accumulate;

  bool packs_right() const { return x.right_column != 1; }

  // Operands do not all fit the second cache.
  bool far() const { return (x.rows + x.columns) * x.k * static_cast<int64_t>(sizeof(T)) > 512 * 1024; }

  // Copies pay where many tiles read rows a page or more apart, which share sets of the first cache.
  static constexpr int64_t page = 4096 / sizeof(T);
  bool copies_right(int64_t rows) const { return x.right_row >= page && rows >= 8 * kTileRows; }
  bool left_spread() const { return larger(x.left_row, x.left_column) >= 2 * page; }
  bool copies_left(int64_t rows, int64_t columns) const {
    return left_spread() && columns >= 16 * MatmulSizes<T>::strip && rows >= kTileRows;
  }

  int64_t block(int64_t rows, int64_t columns) const {
    constexpr int64_t lanes = Simd<T>::lanes;
    const int64_t vectors = divide_up(columns, lanes), strips = divide_up(rows, kTileRows);
    const int64_t widest = rows <= kFewRows && !packs_right() ? kWideVectors : kTileVectors;
    const int64_t chains = smaller(rows, kTileRows) * smaller(vectors, widest);
    const int64_t multiply = rows * vectors * x.k / 2 * 8 / smaller(chains, 8);
    // A tile one vector wide is held up by its broadcasts.
    const int64_t narrow = vectors == 1 ? multiply / 8 : 0;
    const int64_t calls = strips * divide_up(vectors, widest) * divide_up(x.k, MatmulSizes<T>::depth) * 25;
    const int64_t stores = rows * vectors;
    const int64_t transposed =
        (packs_right() ? vectors * lanes * x.k : 0) + (turned ? vectors * lanes * rows * (accumulate ? 2 : 1) : 0);
    const int64_t read = (rows + columns) * x.k * static_cast<int64_t>(sizeof(T)) / (far() ? 16 : 64);
    const int64_t right_copy = copies_right(rows) ? columns * x.k / 4 : 0;
    const int64_t left_pages = left_spread() ? rows * x.k / (copies_left(rows, columns) ? 4 : 2) : 0;
    return multiply + narrow + calls + stores + read + transposed / (lanes >= 8 ? 8 : 4) + right_copy + left_pages;
  }
};

// Blocks to aim for. The smallest product that is cut is some 0.7 microseconds of one thread's work.
inline int64_t wanted_blocks(int64_t flops) {
  if (flops < 180000) return 1;
  if (flops < 1000000) return 2;
  if (flops < 8000000) return 4;
  return flops < 64000000 ? 8 : 16;
}

template <class T>
MatmulPlan matmul_plan(const Matmul<T>& x) {
  using Sizes = MatmulSizes<T>;
  MatmulPlan plan;
  plan.block_rows = x.m;
  plan.block_columns = x.n;
  plan.blocks = x.m > 0 && x.n > 0 ? 1 : 0;
  if (x.m == 0 || x.n == 0 || x.k == 0) return plan;

  const TileProduct<T> straight = tile_product(x, false), turned = tile_product(x, true);
  plan.turned = MatmulCost<T>{turned, true, x.accumulate}.block(turned.rows, turned.columns) <
                MatmulCost<T>{straight, false, x.accumulate}.block(straight.rows, straight.columns);
  const TileProduct<T>& y = plan.turned ? turned : straight;
  const MatmulCost<T> cost{y, plan.turned, x.accumulate};

  // Powers of two of blocks, as many as are wanted and cost little more than one. Rows are cut first: whole rows of C
  // are what an epilogue likes; below eight rows a tile would only wait for `right`.
  const int64_t granule = y.rows <= kFewRows && !cost.packs_right() ? kWideVectors * Sizes::lanes : Sizes::strip;
  const int64_t strips = divide_up(y.columns, granule);
  int64_t rows = y.rows, columns = y.columns;
  const int64_t whole = cost.block(rows, columns);
  int64_t best = 0;
  for (int64_t wanted = wanted_blocks(2 * x.m * x.n * x.k); wanted > 1 && best == 0; wanted /= 2) {
    for (int64_t row_blocks = wanted; row_blocks >= 1; row_blocks /= 2) {
      const int64_t block_rows = divide_up(y.rows, row_blocks);
      const int64_t block_columns = divide_up(strips, wanted / row_blocks) * granule;
      if (block_rows < 8 && row_blocks > 1) continue;
      const int64_t total = wanted * cost.block(block_rows, smaller(block_columns, y.columns));
      if (total * 20 > whole * 23 || (best != 0 && total * 100 >= best * 99)) continue;
      best = total;
      rows = block_rows;
      columns = smaller(block_columns, y.columns);
    }
  }
  rows = divide_up(y.rows, divide_up(y.rows, smaller(rows, Sizes::most_rows)));

  plan.far = cost.far();
  plan.pack_right = cost.packs_right() || cost.copies_right(rows);
  plan.pack_left = cost.copies_left(rows, columns);
  plan.block_rows = plan.turned ? columns : rows;
  plan.block_columns = plan.turned ? rows : columns;
  plan.column_blocks = divide_up(x.n, plan.block_columns);
  plan.blocks = divide_up(x.m, plan.block_rows) * plan.column_blocks;
  plan.thread_workspace = MatmulWorkspace<T>(plan, rows, columns).size();
  return plan;
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
