// Rows of a table by their numbers, and sums of rows.
#pragma once

#include "kernels/softmax-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

template <class T>
void take(T* out, const T* table, const T* index, int64_t count, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < count; ++i, out += columns) {
    const int64_t row = class_of(index[i], rows);
    if (row >= 0) {
      __builtin_memcpy(out, table + row * columns, static_cast<size_t>(columns) * sizeof(T));
    } else {
      for (int64_t j = 0; j < columns; ++j) out[j] = kNan<T>;
    }
  }
}

template <class T>
void add_rows(T* sums, const T* x, const RowPair* pairs, int64_t count, int64_t columns) {
  for (int64_t i = 0; i < count; ++i) {
    T* const to = sums + pairs[i].to * columns;
    const T* const from = x + pairs[i].from * columns;
    GANGLION_INDEPENDENT
    for (int64_t j = 0; j < columns; ++j) to[j] += from[j];
  }
}

// Whether every value is a whole number from 0 to less than `size`.
template <class T>
bool all_indices(const T* x, int64_t count, T size) {
  int outside = 0;
  for (int64_t i = 0; i < count; ++i) {
    outside |= !(x[i] >= 0) | !(x[i] < size) | !(round_down(x[i]) == x[i]);
  }
  return outside == 0;
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
