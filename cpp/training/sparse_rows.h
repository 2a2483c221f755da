// The gate at which a sparse matrix is checked: whoever reads it later trusts its numbers.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernels.h"

namespace ganglion {

// Throws an Error that begins with `name` unless `indptr` (rows + 1 numbers) never falls and stays within the `stored`
// values, and every column number is one. Returns whether some row names a column twice.
bool check_sparse(const std::string& name, const SparseGatherSource& matrix, int64_t rows, int64_t stored);

}  // namespace ganglion
