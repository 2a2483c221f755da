#include "training/sparse_rows.h"

#include <vector>

#include "core/error.h"

namespace ganglion {
namespace {

void check_indptr(const std::string& name, const int64_t* indptr, int64_t rows, int64_t stored) {
  check(indptr[0] >= 0, name, ": indptr begins at ", indptr[0]);
  for (int64_t row = 0; row < rows; ++row) {
    check(indptr[row] <= indptr[row + 1], name, ": indptr falls from ", indptr[row], " to ", indptr[row + 1],
          " at row ", row);
  }
  check(indptr[rows] <= stored, name, ": indptr ends at ", indptr[rows], ", but ", stored, " values are stored");
}

template <class I>
bool check_columns(const std::string& name, const SparseGatherSource& matrix, int64_t rows) {
  const I* const indices = static_cast<const I*>(matrix.indices);
  std::vector<int64_t> last_row;  // in which a column was seen; only needed where columns are not in order
  bool repeated = false;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t begin = matrix.indptr[row], end = matrix.indptr[row + 1];
    bool rising = true;
    int64_t before = -1;
    for (int64_t at = begin; at < end; ++at) {
      const int64_t column = indices[at];
      check(column >= 0 && column < matrix.columns, name, ": indices has column ", column, " in row ", row,
            ", the matrix has ", matrix.columns, " columns");
      rising &= column > before;
      before = column;
    }
    if (rising || repeated) continue;
    last_row.resize(static_cast<size_t>(matrix.columns), -1);
    for (int64_t at = begin; at < end; ++at) {
      int64_t& last = last_row[static_cast<size_t>(indices[at])];
      repeated |= last == row;
      last = row;
    }
  }
  return repeated;
}

}  // namespace

bool check_sparse(const std::string& name, const SparseGatherSource& matrix, int64_t rows, int64_t stored) {
  check_indptr(name, matrix.indptr, rows, stored);
  return matrix.index_type == DataType::i32 ? check_columns<int32_t>(name, matrix, rows)
                                            : check_columns<int64_t>(name, matrix, rows);
}

}  // namespace ganglion
