#include "bindings/streams.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "bindings/arrays.h"
#include "core/error.h"

namespace py = pybind11;

namespace ganglion {
namespace {

Shape batched_shape(const std::vector<int64_t>& sample) {
  Shape shape{true, {1}};
  shape.dims.insert(shape.dims.end(), sample.begin(), sample.end());
  check(is_valid(shape), "[Stream] a sample cannot have shape ", to_string(Shape{false, sample}));
  return shape;
}

DataType readable_type(const py::dtype& dtype) {
  const std::optional<DataType> type = data_type(dtype);
  const char order = dtype.byteorder();
  if (!type || (order != '=' && order != '|')) {
    throw py::type_error(concatenate("[Stream] cannot be of dtype ", py::str(dtype).cast<std::string>()));
  }
  return *type;
}

py::tuple python_shape(const BoundStream& stream) {
  py::list extents;
  extents.append(stream.rows());
  for (size_t axis = 1; axis < stream.shape().dims.size(); ++axis) extents.append(stream.shape().dims[axis]);
  return py::tuple(extents);
}

}  // namespace

BoundStream::BoundStream(int64_t rows, const std::vector<int64_t>& sample, const py::dtype& dtype)
    : rows_(rows), shape_(batched_shape(sample)), dtype_(dtype), type_(readable_type(dtype)) {
  check(rows >= 0, "[Stream] rows must not be negative, got ", rows);
}

void BoundStream::start(const uint32_t* order, int64_t batch_size) {
  const py::gil_scoped_acquire gil;
  py::object rows = py::none();
  if (order) {
    py::array_t<int64_t> copy(static_cast<py::ssize_t>(rows_));
    std::copy_n(order, rows_, copy.mutable_data());
    rows = std::move(copy);
  }
  py::cast(this).attr("start")(rows, batch_size);
}

const void* BoundStream::batch(int64_t first, int64_t count) {
  const py::gil_scoped_acquire gil;
  // It is kept by Python until the next call.
  const py::object given = py::cast(this).attr("batch")(first);
  if (!py::isinstance<py::array>(given)) throw py::type_error("[Stream] batch must return a NumPy array");
  const auto samples = py::reinterpret_borrow<py::array>(given);
  check(samples.dtype().equal(dtype_) && (samples.flags() & py::array::c_style) && samples.ndim() > 0 &&
            samples.shape(0) >= count && samples.size() == samples.shape(0) * shape_.sample_size(),
        "[Stream] a batch must be contiguous, of dtype ", py::str(dtype_).cast<std::string>(), " and shape ",
        to_string(shape_), ", got ", dtype_name(samples), ", ", shape_text(samples));
  return samples.data();
}

void bind_streams(py::module_& m) {
  py::class_<BoundStream>(
      m, "Stream",
      "Samples that are read batch by batch while a program works on the batch before. A subclass defines\n"
      "start(order, batch_size): an epoch begins, with rows in this order, None as they lie; and batch(first): the\n"
      "samples from this position of the epoch on, which stay as they are until the next call.")
      .def(py::init<int64_t, const std::vector<int64_t>&, const py::dtype&>(), py::arg("rows"), py::arg("sample_shape"),
           py::arg("dtype"))
      .def("__len__", &BoundStream::rows)
      .def_property_readonly("shape", &python_shape)
      .def_property_readonly("ndim", [](const BoundStream& stream) { return stream.shape().rank(); })
      .def_property_readonly("dtype", &BoundStream::dtype);
}

}  // namespace ganglion
