// The table of kernels. Every kernel is one body (`*-inl.h`), compiled once per instruction set and
// scalar; `kernels<T>()` is the table chosen at start by the processor, or by GANGLION_ISA.
// Kernels trust their caller: sizes and pointers were checked before.
//
// Bits. The result of a kernel does not depend on the instruction set (AVX2 and AVX-512; NEON has FMA
// too), nor on how the work is cut into blocks: an output of a product is one chain of fused
// multiply-adds in order of k; a sum over contiguous values is 16 virtual lanes folded by a fixed tree
// in fixed chunks; everything else is elementwise.
#pragma once

#include <cstdint>
#include <vector>

#include "core/convolution_sizes.h"
#include "core/opcode.h"

namespace ganglion {

// C (m x n) = A (m x k) B (k x n), or C += A B. A and B are read through two strides in elements, so
// a transpose needs no copy; the columns of C are contiguous.
template <class T>
struct Matmul {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row, b_column;
  T* c;
  int64_t c_row;
  bool accumulate;
  bool a_is_far = false;  // in memory rather than a cache: its rows are asked for before they are needed
  // Rows of k elements somewhere in memory that are needed after the product, and are asked for meanwhile.
  const T* const* later = nullptr;
  int64_t later_rows = 0;
};

// How a product is cut: a function of its sizes and strides alone, never of the number of threads. Blocks are
// independent; each owns a rectangle of C. Good for every product of these sizes and strides.
struct MatmulPlan {
  int64_t blocks = 1;                         // 0 when C is empty
  int64_t block_rows = 0, block_columns = 0;  // size of a block; the last ones are smaller
  int64_t column_blocks = 1;                  // block i is row block i / column_blocks, column block i % column_blocks
  int64_t thread_workspace = 0;               // elements of T, one per thread, aligned to 64 bytes
  // For the kernels: vectors run along the rows of C; which operands are copied.
  bool turned = false, pack_left = false, pack_right = false;
};

// How the kernels of a convolution go over the results: some rows of an image at a time or, of small images, all rows
// of some images; a function of the sizes alone. Of the rows of each image, the last band may have fewer.
struct ConvolutionCut {
  int64_t images = 1, rows = 1;
  int64_t thread_workspace = 0;  // elements of T, one per thread, aligned to 64 bytes
};

// Rows [row, row + rows) of the results of each of `images`.
struct ConvolutionBand {
  int64_t images, row, rows;
};

// Windows over images (height, width, channels), of which some elements may lie outside: before the first row and
// column, and behind the last.
struct Pooling {
  int64_t height, width, channels;
  int64_t out_height, out_width;             // windows
  int64_t window[2], strides[2], before[2];  // down, across

  int64_t image() const { return height * width * channels; }
  int64_t result() const { return out_height * out_width * channels; }
  // Whether each element lies in one window.
  bool covers_once() const {
    return strides[0] == window[0] && strides[1] == window[1] && out_height * window[0] - before[0] >= height &&
           out_width * window[1] - before[1] >= width;
  }
};

// Counter of the random numbers: element i of stream s at step t under a seed is always the same.
struct RandomKey {
  uint64_t seed;
  uint32_t stream;
  uint64_t step;
};

// What stands beyond the edges of an image: zeros, the pixel at the edge, or the image again, mirrored
// (c b a | a b c | c b a) or repeated (a b c | a b c | a b c).
enum class FillMode : int32_t { constant, nearest, reflect, wrap };

// Images (height, width, channels) read at other places: pixel (x, y) of a result (out_height, out_width, channels) at
// (a0 x + a1 y + a2, b0 x + b1 y + b2), from the four pixels around that place or the nearest one.
struct Resampling {
  int64_t height, width, channels, out_height, out_width;
  FillMode fill_mode;
  bool bilinear;
};

// Two rows, of the same number of columns.
struct RowPair {
  int64_t from, to;
};

// What one gather reads: rows of a user's array, of any real dtype and any strides.
enum class DataType : int32_t { u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64, boolean };

struct GatherSource {
  const void* data;
  DataType type;
  int64_t row_stride;      // bytes between samples
  int rank;                // dimensions of one sample, 0 for a scalar label
  const int64_t* extents;  // of one sample
  const int64_t* strides;  // bytes
};

// Rows of a user's matrix in compressed sparse rows (CSR): row i holds data[j] in column indices[j], for j from
// indptr[i] to indptr[i + 1], and zeros elsewhere.
struct SparseGatherSource {
  const void* data;
  DataType type;
  const void* indices;
  DataType index_type;  // i32 or i64
  const int64_t* indptr;
  int64_t columns;
};

// A function of one vector of the instruction set, or of two, that gives one; called by compiled code alone.
using VectorFunction = void (*)();

template <class T>
struct KernelTable {
  // Products.
  MatmulPlan (*matmul_plan)(const Matmul<T>& product);
  void (*matmul_block)(const Matmul<T>& product, const MatmulPlan& plan, int64_t block, T* thread_workspace);

  // Convolutions (core/convolution_sizes.h); each has a cut of its own. y, the results of a band, from x, its first
  // image, and the weights (kh, kw, c / groups, f).
  ConvolutionCut (*convolution_cut)(const ConvolutionSizes& sizes);
  void (*convolution)(const ConvolutionSizes& sizes, const ConvolutionBand& band, T* y, const T* x, const T* weights,
                      T* thread_workspace);
  // d_x of `images` from d_y and the weights, turned before: as many elements, in another order.
  void (*convolution_turn_weights)(const ConvolutionSizes& sizes, T* turned, const T* weights);
  ConvolutionCut (*convolution_input_cut)(const ConvolutionSizes& sizes);
  void (*convolution_input_gradient)(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images, T* d_x,
                                     const T* d_y, const T* turned, T* thread_workspace);
  // Of the gradient of the weights, what `images` give to the filters [first, first + filters), all of one group: each
  // kernel row (or tap, where its columns are apart) is convolution_sum_rows rows of `filters` sums, of which the first
  // are the elements of the weights.
  ConvolutionCut (*convolution_weight_cut)(const ConvolutionSizes& sizes);
  int64_t (*convolution_sum_rows)(const ConvolutionSizes& sizes);
  void (*convolution_weight_gradient)(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images,
                                      int64_t first, int64_t filters, T* sums, const T* x, const T* d_y,
                                      T* thread_workspace);

  // out (+)= a b, element by element, for rows of `columns`.
  void (*multiply_rows)(T* out, int64_t out_row, const T* a, int64_t a_row, const T* b, int64_t b_row, int64_t rows,
                        int64_t columns, bool accumulate);

  // elementwise[opcode](out, a, b, c, count): operands contiguous, `out` may be any of them.
  // Unused operands are null. Comparisons give 1 or 0; where is a != 0 ? b : c.
  // Not for random_uniform and random_normal (null).
  void (*elementwise[kOpcodeCount])(T* out, const T* a, const T* b, const T* c, int64_t count);
  // The same on vectors, of one operand or two; null for the others.
  VectorFunction on_vector[kOpcodeCount];

  // Elements [first, first + count) of a stream: uniform in [0, 1), standard normal.
  void (*random_uniform)(T* out, const RandomKey& key, int64_t first, int64_t count);
  void (*random_normal)(T* out, const RandomKey& key, int64_t first, int64_t count);

  // Reductions of x (outer, reduced, inner), contiguous, to out (outer, inner). With inner == 1 a sum runs
  // over 16 virtual lanes; otherwise each column is summed in order of `reduced`.
  // x_outer and x_reduced are the strides of x, so that a part of the columns can be given.
  void (*reduce_sum)(T* out, const T* x, int64_t outer, int64_t reduced, int64_t inner, int64_t x_outer,
                     int64_t x_reduced);
  void (*reduce_max)(T* out, const T* x, int64_t outer, int64_t reduced, int64_t inner, int64_t x_outer,
                     int64_t x_reduced);

  // Whether every value is between -largest and largest; NaN is not.
  bool (*all_within)(const T* x, int64_t count, T largest);

  // Whether every value is a whole number of at least 0 and less than `size`.
  bool (*all_indices)(const T* x, int64_t count, T size);

  // out (count, columns): of a table (rows, columns) those that index (count,) names, NaN where it names none.
  void (*take)(T* out, const T* table, const T* index, int64_t count, int64_t rows, int64_t columns);
  // Adds rows of x to rows of sums, one pair after the other.
  void (*add_rows)(T* sums, const T* x, const RowPair* pairs, int64_t count, int64_t columns);

  // Rows of x (rows, columns), contiguous.
  void (*argmax)(T* out, const T* x, int64_t rows, int64_t columns);  // first of equals; out (rows,)
  // The value that is `k`-th from above, minus infinity where there are fewer; not of NaN or infinity; out (rows,).
  void (*kth_largest)(T* out, const T* x, const T* k, int64_t rows, int64_t columns);
  void (*softmax)(T* out, const T* x, int64_t rows, int64_t columns);
  void (*log_softmax)(T* out, const T* x, int64_t rows, int64_t columns);
  // d_x = probabilities * (d_out - sum(d_out * probabilities))
  void (*softmax_gradient)(T* d_x, const T* probabilities, const T* d_out, int64_t rows, int64_t columns);
  // d_x = d_out - exp(out) * sum(d_out)
  void (*log_softmax_gradient)(T* d_x, const T* out, const T* d_out, int64_t rows, int64_t columns);
  // Cross-entropy of softmax(logits) against class indices (sparse; index (rows,)) or a distribution
  // (rows, columns). loss (rows,); probabilities (rows, columns). Exact at extreme logits: the loss of a sure and
  // right row is log1p of the other classes' share, never log(1) = 0. An index outside [0, columns) gives NaN.
  void (*sparse_crossentropy)(T* loss, T* probabilities, const T* logits, const T* index, int64_t rows,
                              int64_t columns);
  void (*crossentropy)(T* loss, T* probabilities, const T* logits, const T* target, int64_t rows, int64_t columns);
  // d_logits = d_loss * (probabilities - one_hot(index)); the true class's entry is minus the sum of the others',
  // exact.
  void (*sparse_crossentropy_gradient)(T* d_logits, const T* probabilities, const T* index, const T* d_loss,
                                       int64_t rows, int64_t columns);
  // d_logits = d_loss * (probabilities * sum(target) - target)
  void (*crossentropy_gradient)(T* d_logits, const T* probabilities, const T* target, const T* d_loss, int64_t rows,
                                int64_t columns);

  // Windows over `images` images, each channel by itself. max_pool: the largest element, and its place in the window,
  // row by row, the first of equals; NaN if there is one; `place` may be null.
  void (*max_pool)(T* out, T* place, const T* x, const Pooling& pooling, int64_t images);
  void (*max_pool_gradient)(T* d_x, const T* place, const T* d_out, const Pooling& pooling, int64_t images);
  void (*window_sum)(T* out, const T* x, const Pooling& pooling, int64_t images);
  // The transpose: x (out_height, out_width, channels) added to each element of its window in the image `out`.
  void (*window_spread)(T* out, const T* x, const Pooling& pooling, int64_t images);
  // out (images, out_height, out_width, channels) of x (images, height, width, channels); matrix (images, 6) holds
  // a0 a1 a2 b0 b1 b2 of each. The gradient adds up in d_x what was read there.
  void (*resample)(T* out, const T* x, const T* matrix, const Resampling& sizes, int64_t images);
  void (*resample_gradient)(T* d_x, const T* d_out, const T* matrix, const Resampling& sizes, int64_t images);

  // out[i] = sample rows[i] of the source, converted, contiguous; rows == nullptr means first, first + 1, ...
  void (*gather)(T* out, const GatherSource& source, const int64_t* rows, int64_t first, int64_t count);
  // The same, with the zeros between: out (count, columns).
  void (*gather_sparse)(T* out, const SparseGatherSource& source, const int64_t* rows, int64_t first, int64_t count);

  // For benchmarks: `rounds` of independent fused multiply-adds in registers; returns the operations done.
  int64_t (*multiply_adds)(int64_t rounds);
};

// float and double. The first call chooses, and throws an Error when GANGLION_ISA names no set this machine has.
template <class T>
const KernelTable<T>& kernels();

// Name of the instruction set in use, and of all this machine can run, best first: "avx512", "avx2", "baseline";
// "neon".
const char* kernel_isa();
std::vector<const char*> available_isas();

}  // namespace ganglion
