#include "bindings/sparse_rows.h"

#include <optional>
#include <tuple>
#include <utility>

#include "bindings/arrays.h"
#include "core/error.h"
#include "training/sparse_rows.h"

namespace py = pybind11;

namespace ganglion {
namespace {

DataType type_of(const std::string& name, const char* part, const py::array& array) {
  constexpr int plain = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  const std::optional<DataType> type = data_type(array.dtype());
  const char order = array.dtype().byteorder();
  check(type && (order == '=' || order == '|') && array.ndim() == 1 && (array.flags() & plain) == plain, name, ": ",
        part, " must be a contiguous, aligned vector of numbers, got dtype ", dtype_name(array), ", shape ",
        shape_text(array));
  return *type;
}

SparseRows part_of(const SparseRows& rows, const py::slice& slice) {
  size_t first = 0, last = 0, step = 0, length = 0;
  if (!slice.compute(static_cast<size_t>(rows.rows()), &first, &last, &step, &length)) throw py::error_already_set();
  check(step == 1, "[SparseRows] rows are sliced in steps of one");
  return {rows, static_cast<int64_t>(first), static_cast<int64_t>(first + length)};
}

}  // namespace

SparseRows::SparseRows(const std::string& name, py::array data, py::array indices, py::array indptr, int64_t columns)
    : data_(std::move(data)),
      indices_(std::move(indices)),
      indptr_(std::move(indptr)),
      columns_(columns),
      type_(type_of(name, "data", data_)),
      index_type_(type_of(name, "indices", indices_)) {
  check(index_type_ == DataType::i32 || index_type_ == DataType::i64, name,
        ": indices must be int32 or int64, got dtype ", dtype_name(indices_));
  check(type_of(name, "indptr", indptr_) == DataType::i64 && indptr_.size() > 0, name,
        ": indptr must be int64 and have a number more than there are rows");
  check(data_.size() == indices_.size(), name, ": data has ", data_.size(), " numbers and indices ", indices_.size());
  const SparseGatherSource matrix = memory();
  const int64_t stored = data_.size(), count = rows();
  const py::gil_scoped_release released;
  has_duplicates_ = check_sparse(name, matrix, count, stored);
}

SparseRows::SparseRows(const SparseRows& other, int64_t first, int64_t last) : SparseRows(other) {
  indptr_ = other.indptr_[py::slice(first, last + 1, 1)].cast<py::array>();
}

SparseGatherSource SparseRows::memory() const {
  return {data_.data(), type_, indices_.data(), index_type_, static_cast<const int64_t*>(indptr_.data()), columns_};
}

Source SparseRows::source() const { return {memory(), rows()}; }

void bind_sparse_rows(py::module_& m) {
  py::class_<SparseRows>(m, "SparseRows", "The rows of a matrix in compressed sparse rows (CSR), checked once.")
      .def(py::init<const std::string&, py::array, py::array, py::array, int64_t>(), py::arg("name"), py::arg("data"),
           py::arg("indices"), py::arg("indptr"), py::arg("columns"))
      .def("__len__", &SparseRows::rows)
      .def("__getitem__", &part_of, "A view of some rows: a slice without a step.")
      .def_property_readonly("shape", [](const SparseRows& rows) { return std::tuple(rows.rows(), rows.columns()); })
      .def_property_readonly("ndim", [](const SparseRows&) { return 2; })
      .def_property_readonly("dtype", [](const SparseRows& rows) { return rows.data().dtype(); })
      .def_property_readonly("has_duplicates", &SparseRows::has_duplicates, "Whether a row names a column twice.")
      .def_property_readonly("data", &SparseRows::data)
      .def_property_readonly("indices", &SparseRows::indices)
      .def_property_readonly("indptr", &SparseRows::indptr);
}

}  // namespace ganglion
