// Transposing copies, a square of vectors at a time in registers.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Element i of vector j becomes element j of vector i: one bit of the two indices changes sides at a time.
template <class T, int Bit = 1>
GANGLION_INLINE void transpose_square(Vector<T> (&x)[Simd<T>::lanes]) {
  constexpr int lanes = Simd<T>::lanes;
  if constexpr (Bit < lanes) {
    GANGLION_UNROLL for (int i = 0; i < lanes; ++i) {
      if (!(i & Bit)) exchange_lanes<T, Bit>(x[i], x[i + Bit], std::make_integer_sequence<int, lanes>{});
    }
    transpose_square<T, 2 * Bit>(x);
  }
}

template <class T>
void transpose_whole_square(T* to, int64_t to_row, const T* from, int64_t from_row) {
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> x[lanes];
  GANGLION_UNROLL for (int r = 0; r < lanes; ++r) x[r] = load(from + r * from_row);
  transpose_square<T>(x);
  GANGLION_UNROLL for (int r = 0; r < lanes; ++r) store(to + r * to_row, x[r]);
}

// height x width of a square to width x stored.
template <class T>
void transpose_part_of_square(T* to, int64_t to_row, const T* from, int64_t from_row, int height, int width,
                              int stored) {
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> x[lanes];
  GANGLION_UNROLL for (int r = 0; r < lanes; ++r) {
    x[r] = r < height ? load_first(from + r * from_row, width) : Vector<T>{};
  }
  transpose_square<T>(x);
  GANGLION_UNROLL for (int r = 0; r < lanes; ++r) {
    if (r < width) store_first(to + r * to_row, x[r], stored);
  }
}

// to[j][i] = from[i][j], i < rows, j < columns. With `padded` every row of `to` has room for whole vectors, and what is
// beyond `rows` becomes zero.
template <class T>
void transpose(T* to, int64_t to_row, const T* from, int64_t from_row, int64_t rows, int64_t columns, bool padded) {
  constexpr int lanes = Simd<T>::lanes;
  for (int64_t i = 0; i < rows; i += lanes) {
    const int height = static_cast<int>(smaller(lanes, rows - i));
    for (int64_t j = 0; j < columns; j += lanes) {
      const int width = static_cast<int>(smaller(lanes, columns - j));
      const T* corner = from + i * from_row + j;
      if (height == lanes && width == lanes) {
        transpose_whole_square(to + j * to_row + i, to_row, corner, from_row);
      } else {
        transpose_part_of_square(to + j * to_row + i, to_row, corner, from_row, height, width, padded ? lanes : height);
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
