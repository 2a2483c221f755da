// How a matrix product is cut into blocks, and which way its tiles lie.
#pragma once

#include "kernels/matmul_block-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Estimated cycles. Two fused multiply-adds a cycle, if a tile has enough chains to hide their latency.
template <class T>
struct MatmulCost {
  static constexpr int64_t bytes = sizeof(T);
  const TileProduct<T>& x;
  bool turned, accumulate;

  bool packs_right() const { return x.right_column != 1; }

  // Cycles for a line of an operand: it comes from the first two caches, from the third, or from memory.
  int64_t line_cycles() const {
    const int64_t total = (x.rows + x.columns) * x.k * bytes;
    return total <= 512 * 1024 ? 1 : total <= 8 * 1024 * 1024 ? 2 : 4;
  }

  // Rows a page or more apart share sets of the caches. Copies pay where many tiles read them; tiles of wide vectors,
  // which compute longer for each line they read, hardly feel it.
  static constexpr int64_t page = 4096 / bytes;
  static constexpr bool wide = kVectorBytes == 64;
  bool copies_right(int64_t rows) const { return x.right_row >= page && rows >= (wide ? 20 : 8) * kTileRows; }
  bool left_spread() const { return x.left_row == 1 && x.left_column >= page; }
  bool copies_left() const { return left_spread() && !wide; }

  int64_t block(int64_t rows, int64_t columns) const {
    constexpr int64_t lanes = Simd<T>::lanes;
    const int64_t vectors = divide_up(columns, lanes), strips = divide_up(rows, kTileRows);
    const int64_t widest = rows <= kFewRows && !packs_right() ? kWideVectors : kTileVectors;
    const int64_t chains = smaller(rows, kTileRows) * smaller(vectors, widest);
    const int64_t multiply = rows * vectors * x.k / 2 * 8 / smaller(chains, 8);
    const int64_t calls = strips * divide_up(vectors, widest) * divide_up(x.k, 512) * 40;
    const int64_t transposed =
        (packs_right() ? vectors * lanes * x.k : 0) + (turned ? vectors * lanes * rows * (accumulate ? 2 : 1) : 0);
    const int64_t panels = divide_up(columns, MatmulSizes<T>::most_columns);
    const int64_t lines = (rows * panels + columns) * x.k * bytes / 64;
    const int64_t copy = copies_right(rows) ? vectors * x.k * 4 : 0;
    const int64_t spread = copies_left() ? 2 * rows * x.k * panels : left_spread() ? rows * x.k / 4 : 0;
    // A transpose for one strip of rows stays in the first cache.
    const int64_t transposes = transposed * (rows > kTileRows ? line_cycles() : 1) / 6;
    return multiply + calls + lines * line_cycles() + transposes + copy + spread;
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
  constexpr int64_t lanes = Simd<T>::lanes;
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
  const int64_t granule = y.rows <= kFewRows && !cost.packs_right() ? kWideVectors * lanes : kTileVectors * lanes;
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
      if (total * 100 > whole * (wanted > 2 ? 110 : 115) || (best != 0 && total * 100 >= best * 99)) continue;
      best = total;
      rows = block_rows;
      columns = smaller(block_columns, y.columns);
    }
  }

  plan.pack_right = cost.packs_right() || cost.copies_right(rows);
  plan.pack_left = cost.copies_left();
  plan.block_rows = plan.turned ? columns : rows;
  plan.block_columns = plan.turned ? rows : columns;
  plan.column_blocks = divide_up(x.n, plan.block_columns);
  plan.blocks = divide_up(x.m, plan.block_rows) * plan.column_blocks;
  plan.thread_workspace = MatmulWorkspace<T>(plan, rows, columns, x.k).size();
  return plan;
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
