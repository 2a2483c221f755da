// Rows of a user's sparse matrix as contiguous scalars, with the zeros that it leaves out.
#pragma once

#include "kernels/gather-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// S is the type of the values, I that of the column numbers.
template <class T, class S, class I>
void scatter_rows(T* out, const SparseGatherSource& source, const int64_t* rows, int64_t first, int64_t count) {
  const char* const data = static_cast<const char*>(source.data);
  const char* const indices = static_cast<const char*>(source.indices);
  for (int64_t i = 0; i < count; ++i, out += source.columns) {
    const int64_t row = rows ? rows[i] : first + i;
    __builtin_memset(out, 0, static_cast<size_t>(source.columns) * sizeof(T));
    const int64_t end = source.indptr[row + 1];
    for (int64_t at = source.indptr[row]; at < end; ++at) {
      const auto column = read<I>(indices + at * static_cast<int64_t>(sizeof(I)));
      // They were checked, but the array is the user's, who may write to it meanwhile.
      if (static_cast<uint64_t>(column) >= static_cast<uint64_t>(source.columns)) continue;
      // Added, and not set: a stored -0.0 is 0.0 in the dense matrix.
      out[column] += convert<T>(read<S>(data + at * static_cast<int64_t>(sizeof(S))));
    }
  }
}

template <class T>
void gather_sparse(T* out, const SparseGatherSource& source, const int64_t* rows, int64_t first, int64_t count) {
  with_number(source.type, [&](auto number) {
    using S = decltype(number);
    if (source.index_type == DataType::i32) {
      scatter_rows<T, S, int32_t>(out, source, rows, first, count);
    } else {
      scatter_rows<T, S, int64_t>(out, source, rows, first, count);
    }
  });
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
