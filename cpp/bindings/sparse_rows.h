// Rows of a sparse matrix, as Python hands them to programs in the place of an array.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "training/batches.h"

namespace ganglion {

// A matrix in compressed sparse rows (CSR), checked once. Keeps its arrays alive.
class SparseRows {
 public:
  // `name` begins the errors. The arrays are contiguous and aligned; `indptr` is int64.
  SparseRows(const std::string& name, pybind11::array data, pybind11::array indices, pybind11::array indptr,
             int64_t columns);

  // Rows [first, last) of another: a view.
  SparseRows(const SparseRows& other, int64_t first, int64_t last);

  // Reads what this keeps alive.
  Source source() const;
  int64_t rows() const { return indptr_.size() - 1; }
  int64_t columns() const { return columns_; }
  bool has_duplicates() const { return has_duplicates_; }
  const pybind11::array& data() const { return data_; }
  const pybind11::array& indices() const { return indices_; }
  const pybind11::array& indptr() const { return indptr_; }

 private:
  SparseGatherSource memory() const;

  pybind11::array data_, indices_, indptr_;
  int64_t columns_;
  DataType type_, index_type_;
  bool has_duplicates_ = false;
};

void bind_sparse_rows(pybind11::module_& m);

}  // namespace ganglion
