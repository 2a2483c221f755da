#include "bindings/ragged_rows.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "bindings/arrays.h"
#include "core/error.h"

namespace py = pybind11;

namespace ganglion {
namespace {

py::array array_at(const py::sequence& arrays, size_t row) {
  const py::object given = arrays[row];
  if (!py::isinstance<py::array>(given)) throw py::type_error(concatenate("[RaggedRows] row ", row, " is no array"));
  return py::reinterpret_borrow<py::array>(given);
}

RaggedRows sliced(const RaggedRows& rows, const py::slice& slice) {
  py::ssize_t first = 0, last = 0, step = 0, length = 0;
  if (!slice.compute(rows.rows(), &first, &last, &step, &length)) throw py::error_already_set();
  py::array_t<int64_t> numbers(length);
  for (py::ssize_t i = 0; i < length; ++i) numbers.mutable_at(i) = first + i * step;
  return rows.part(numbers);
}

py::tuple python_shape(const RaggedRows& rows) {
  py::list extents;
  extents.append(rows.rows());
  extents.append(py::none());
  for (int64_t extent : rows.step_shape()) extents.append(extent);
  return py::tuple(extents);
}

}  // namespace

RaggedRows::RaggedRows(const py::sequence& arrays, const std::vector<int64_t>& step_shape) : step_shape_(step_shape) {
  check(arrays.size() > 0, "[RaggedRows] there are no rows");
  for (int64_t extent : step_shape) step_size_ *= extent;
  dtype_ = array_at(arrays, 0).dtype();
  const std::optional<DataType> type = data_type(dtype_);
  const char order = dtype_.byteorder();
  check(type && (order == '=' || order == '|'), "[RaggedRows] rows cannot be of dtype ",
        py::str(dtype_).cast<std::string>());
  type_ = *type;
  for (size_t row = 0; row < arrays.size(); ++row) {
    py::array array = array_at(arrays, row);
    const bool fits = array.ndim() == static_cast<py::ssize_t>(step_shape.size()) + 1 && array.shape(0) > 0 &&
                      std::equal(step_shape.begin(), step_shape.end(), array.shape() + 1);
    check(fits && array.dtype().equal(dtype_) && (array.flags() & py::array::c_style), "[RaggedRows] row ", row,
          " must be contiguous like row 0, got dtype ", dtype_name(array), ", shape ", shape_text(array));
    addresses_.push_back(array.data());
    sizes_.push_back(array.size());
    arrays_.push_back(std::move(array));
  }
}

py::array RaggedRows::row(int64_t number) const {
  check(number >= 0 && number < rows(), "[RaggedRows] there is no row ", number);
  return arrays_[static_cast<size_t>(number)];
}

RaggedRows RaggedRows::part(const py::array_t<int64_t, py::array::c_style>& rows) const {
  check(rows.ndim() == 1, "[RaggedRows] row numbers must have one axis, got shape ", shape_text(rows));
  RaggedRows chosen(*this);
  chosen.arrays_.clear();
  chosen.addresses_.clear();
  chosen.sizes_.clear();
  for (py::ssize_t i = 0; i < rows.size(); ++i) {
    chosen.arrays_.push_back(row(rows.at(i)));
    const auto place = static_cast<size_t>(rows.at(i));
    chosen.addresses_.push_back(addresses_[place]);
    chosen.sizes_.push_back(sizes_[place]);
  }
  return chosen;
}

Source RaggedRows::source(int64_t steps) const {
  return {{addresses_.data(), sizes_.data(), type_}, rows(), steps * step_size_};
}

int64_t RaggedRows::longest() const {
  return sizes_.empty() ? 0 : *std::max_element(sizes_.begin(), sizes_.end()) / step_size_;
}

py::array_t<int64_t> RaggedRows::lengths() const {
  py::array_t<int64_t> lengths(rows());
  std::transform(sizes_.begin(), sizes_.end(), lengths.mutable_data(), [&](int64_t size) { return size / step_size_; });
  return lengths;
}

void bind_ragged_rows(py::module_& m) {
  py::class_<RaggedRows>(m, "RaggedRows",
                         "Sequences of different lengths: arrays (steps, *step_shape), contiguous and of one dtype.")
      .def(py::init<const py::sequence&, const std::vector<int64_t>&>(), py::arg("arrays"), py::arg("step_shape"))
      .def("__len__", &RaggedRows::rows)
      .def("__getitem__", &sliced)
      .def("__getitem__", &RaggedRows::part, "A view of some rows: a slice, or an array of their numbers.")
      .def("row", &RaggedRows::row, py::arg("number"))
      .def_property_readonly("shape", &python_shape)
      .def_property_readonly("ndim", [](const RaggedRows& rows) { return 2 + rows.step_shape().size(); })
      .def_property_readonly("dtype", &RaggedRows::dtype)
      .def_property_readonly("lengths", &RaggedRows::lengths, "Steps of each row, int64.");
}

}  // namespace ganglion
