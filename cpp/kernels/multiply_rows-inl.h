// Products of the elements of rows, set or added.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

template <class T, bool Accumulate>
void multiply_rows_of(T* out, int64_t out_row, const T* a, int64_t a_row, const T* b, int64_t b_row, int64_t rows,
                      int64_t columns) {
  constexpr int lanes = Simd<T>::lanes;
  const int64_t whole = columns / lanes * lanes;
  const int rest = static_cast<int>(columns - whole);
  for (int64_t i = 0; i < rows; ++i, out += out_row, a += a_row, b += b_row) {
    for (int64_t j = 0; j < whole; j += lanes) {
      const Vector<T> x = load(a + j), y = load(b + j);
      store(out + j, Accumulate ? fma(x, y, load(out + j)) : x * y);
    }
    if (rest == 0) continue;
    const Vector<T> x = load_first(a + whole, rest), y = load_first(b + whole, rest);
    store_first(out + whole, Accumulate ? fma(x, y, load_first(out + whole, rest)) : x * y, rest);
  }
}

template <class T>
void multiply_rows(T* out, int64_t out_row, const T* a, int64_t a_row, const T* b, int64_t b_row, int64_t rows,
                   int64_t columns, bool accumulate) {
  (accumulate ? multiply_rows_of<T, true> : multiply_rows_of<T, false>)(out, out_row, a, a_row, b, b_row, rows,
                                                                        columns);
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
