// Sums of products: result(batch, row, column) = sum over k of a(batch, row, k) b(batch, k, column), in tiles. Where
// the factors come from, a loader says: matrices through strides, patches of images, couplings of capsules. What
// follows the product is evaluated by the thread that computed it.
//
// Each element is one chain of multiply-adds in the order of k, or as many chains as k is split into, added up in their
// order: the split is a function of the sizes alone.
#pragma once

#include "engines/cuda/expression.h"
#include "program/rule.h"

namespace ganglion::cuda {

struct ProductSizes {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  // Of an element in the flat order of the result.
  int64_t result_batch = 0, result_row = 0;
  int64_t splits = 1, split = 1;  // of k: how many, and the length of each
};

// A tile of Rows x Columns results, of which each thread computes OfRows x 4.
template <int Rows, int Columns, int OfRows>
struct Tile {
  static constexpr int kRows = Rows, kColumns = Columns, kOfRows = OfRows, kOfColumns = 4, kDepth = 16;
  static constexpr int kAcross = Columns / kOfColumns, kTileThreads = Rows / OfRows * kAcross;
};
using LargeTile = Tile<128, 64, 8>;  // 256 threads
using SmallTile = Tile<32, 32, 2>;   // 128 threads
using NarrowTile = Tile<128, 4, 1>;  // 128 threads; for a handful of columns

template <class T, class Loader, class Shape>
__global__ void __launch_bounds__(Shape::kTileThreads)
    product_kernel(const __grid_constant__ ProductSizes sizes, const __grid_constant__ Loader load, T* parts,
                   const __grid_constant__ ShortCode<T> code, const Control* control) {
  __shared__ T a_tile[Shape::kDepth][Shape::kRows + 1];
  __shared__ T b_tile[Shape::kDepth][Shape::kColumns + 1];
  const int64_t column_tiles = (sizes.n + Shape::kColumns - 1) / Shape::kColumns;
  const int64_t row_tiles = (sizes.m + Shape::kRows - 1) / Shape::kRows;
  int64_t number = blockIdx.x;
  const int64_t column = number % column_tiles * Shape::kColumns;
  number /= column_tiles;
  const int64_t row = number % row_tiles * Shape::kRows;
  number /= row_tiles;
  const int64_t split = number % sizes.splits, batch = number / sizes.splits;
  const int64_t begin = split * sizes.split;
  const int64_t end = begin + sizes.split < sizes.k ? begin + sizes.split : sizes.k;
  const int thread = static_cast<int>(threadIdx.x);
  const int my_row = thread / Shape::kAcross * Shape::kOfRows;
  const int my_column = thread % Shape::kAcross * Shape::kOfColumns;

  T sum[Shape::kOfRows][Shape::kOfColumns];
#pragma unroll
  for (int i = 0; i < Shape::kOfRows; ++i) {
#pragma unroll
    for (int j = 0; j < Shape::kOfColumns; ++j) sum[i][j] = 0;
  }
  for (int64_t k = begin; k < end; k += Shape::kDepth) {
    // Neighbouring threads read along the axis that is contiguous.
    for (int e = thread; e < Shape::kRows * Shape::kDepth; e += Shape::kTileThreads) {
      const int r = load.a_along_k ? e / Shape::kDepth : e % Shape::kRows;
      const int d = load.a_along_k ? e % Shape::kDepth : e / Shape::kRows;
      a_tile[d][r] = row + r < sizes.m && k + d < end ? load.a(batch, row + r, k + d) : T{0};
    }
    for (int e = thread; e < Shape::kColumns * Shape::kDepth; e += Shape::kTileThreads) {
      const int c = load.b_along_k ? e / Shape::kDepth : e % Shape::kColumns;
      const int d = load.b_along_k ? e % Shape::kDepth : e / Shape::kColumns;
      b_tile[d][c] = column + c < sizes.n && k + d < end ? load.b(batch, k + d, column + c) : T{0};
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < Shape::kDepth; ++d) {
      T left[Shape::kOfRows], right[Shape::kOfColumns];
#pragma unroll
      for (int i = 0; i < Shape::kOfRows; ++i) left[i] = a_tile[d][my_row + i];
#pragma unroll
      for (int j = 0; j < Shape::kOfColumns; ++j) right[j] = b_tile[d][my_column + j];
#pragma unroll
      for (int i = 0; i < Shape::kOfRows; ++i) {
#pragma unroll
        for (int j = 0; j < Shape::kOfColumns; ++j) sum[i][j] = std::fma(left[i], right[j], sum[i][j]);
      }
    }
    __syncthreads();
  }

  const int64_t rest = sizes.n - column - my_column;
  const int count = rest < Shape::kOfColumns ? static_cast<int>(rest) : Shape::kOfColumns;
  if (count <= 0) return;
#pragma unroll
  for (int i = 0; i < Shape::kOfRows; ++i) {
    const int64_t of_row = row + my_row + i;
    if (of_row >= sizes.m) break;
    if (parts) {
      T* const to = parts + ((split * sizes.batch + batch) * sizes.m + of_row) * sizes.n + column + my_column;
#pragma unroll
      for (int j = 0; j < Shape::kOfColumns; ++j) {
        if (j < count) to[j] = sum[i][j];
      }
    } else {
      T made[Shape::kOfColumns];  // a copy, so that the sums themselves stay in registers
#pragma unroll
      for (int j = 0; j < Shape::kOfColumns; ++j) made[j] = sum[i][j];
      evaluate(code, control, batch * sizes.result_batch + of_row * sizes.result_row + column + my_column, count, made);
    }
  }
}

// Adds up the parts of k; `sums`: where the product is stored, null where the code follows at once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_parts_kernel(const __grid_constant__ ProductSizes sizes, const T* parts, T* sums,
                     const __grid_constant__ ShortCode<T> code, const Control* control) {
  const int64_t groups = (sizes.n + 3) / 4, rows = sizes.batch * sizes.m;
  for (int64_t index = thread_of_grid(); index < rows * groups; index += threads_of_grid()) {
    const int64_t row = index / groups, column = index % groups * 4;
    const int count = sizes.n - column < 4 ? static_cast<int>(sizes.n - column) : 4;
    T sum[4] = {0, 0, 0, 0};
    for (int64_t split = 0; split < sizes.splits; ++split) {
      const T* const from = parts + (split * rows + row) * sizes.n + column;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j < count) sum[j] += from[j];
      }
    }
    const int64_t at = row / sizes.m * sizes.result_batch + row % sizes.m * sizes.result_row + column;
    if (sums) {
      for (int j = 0; j < count; ++j) sums[at + j] = sum[j];
    } else {
      evaluate(code, control, at, count, sum);
    }
  }
}

// A product and what follows it.
template <class T>
class ProductRunner {
 public:
  // The expression behind the operation's own `arity` operands follows.
  ProductRunner(const Program& program, const Operation& operation)
      : code_(ExpressionCode<T>::epilogue(program, operation, static_cast<size_t>(find_rule(operation.kind).arity))) {}

  void bind(ProductSizes sizes, int64_t rows, Memory<T>& memory) {
    code_.bind(rows, memory);
    memory_ = &memory;
    sizes_ = split(sizes);
    const int64_t parts = sizes_.splits > 1 ? sizes_.splits * elements() : 0;
    memory.require_scratch(parts + (code_.is_short() ? 0 : elements()));
  }

  template <class Loader>
  void enqueue(cudaStream_t stream, const Loader& load) const {
    T* const parts = sizes_.splits > 1 ? memory_->scratch() : nullptr;
    T* const sums = code_.is_short() ? nullptr : memory_->scratch() + (parts ? sizes_.splits * elements() : 0);
    // A product that a longer expression follows is stored by parts, or as the only part.
    T* const to = parts ? parts : sums;
    const ShortCode<T> code = code_.is_short() ? code_.short_code() : ShortCode<T>{};
    if (sizes_.n <= NarrowTile::kColumns) {
      start<NarrowTile>(stream, load, to, code);
    } else if (is_large()) {
      start<LargeTile>(stream, load, to, code);
    } else {
      start<SmallTile>(stream, load, to, code);
    }
    if (parts || sums) {
      const T* const from = parts ? parts : sums;
      const int64_t groups = sizes_.batch * sizes_.m * divide_up(sizes_.n, 4);
      launch(stream, std::min(divide_up(groups, kThreads), kMostBlocks), kThreads, add_parts_kernel<T>, sizes_, from,
             sums, code, memory_->control);
    }
    if (sums) code_.enqueue(stream, memory_->control, sums);
  }

 private:
  static constexpr int64_t kMostBlocks = 4096;
  static constexpr int64_t kManyTiles = 128;  // about as many as a large device has processors
  static constexpr int64_t kShortestSplit = 128, kMostSplits = 64;

  int64_t elements() const { return sizes_.batch * sizes_.m * sizes_.n; }

  template <class Shape>
  static int64_t tiles(const ProductSizes& sizes) {
    return sizes.batch * divide_up(sizes.m, Shape::kRows) * divide_up(sizes.n, Shape::kColumns);
  }
  bool is_large() const { return tiles<LargeTile>(sizes_) * sizes_.splits >= kManyTiles; }

  // Few results of many terms are summed in parts, so that the device is not left idle.
  static ProductSizes split(ProductSizes sizes) {
    const int64_t most = std::min(kMostSplits, sizes.k / kShortestSplit);
    const int64_t wanted = kManyTiles / tiles<SmallTile>(sizes);
    const int64_t splits = std::max<int64_t>(1, std::min(most, wanted));
    sizes.split = divide_up(divide_up(sizes.k, splits), 16) * 16;
    sizes.splits = divide_up(sizes.k, sizes.split);
    return sizes;
  }

  template <class Shape, class Loader>
  void start(cudaStream_t stream, const Loader& load, T* parts, const ShortCode<T>& code) const {
    launch(stream, tiles<Shape>(sizes_) * sizes_.splits, Shape::kTileThreads, product_kernel<T, Loader, Shape>, sizes_,
           load, parts, code, memory_->control);
  }

  ExpressionCode<T> code_;
  ProductSizes sizes_;
  Memory<T>* memory_ = nullptr;
};

}  // namespace ganglion::cuda
