#include "bindings/bind_training.h"

#include <algorithm>
#include <limits>

#include "bindings/arrays.h"
#include "bindings/bound_executable.h"
#include "bindings/ragged_rows.h"
#include "bindings/sparse_rows.h"
#include "bindings/streams.h"
#include "core/cores.h"
#include "core/thread_pool.h"
#include "training/finite.h"

#if defined(_WIN32)
#define GANGLION_EXPORT extern "C" __declspec(dllexport)
#else
#define GANGLION_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// threadpoolctl knows the library by these among all that are named _core.
GANGLION_EXPORT int ganglion_get_num_threads() { return ganglion::get_num_threads(); }
// No exception may leave them, so a number out of range is brought into it.
GANGLION_EXPORT void ganglion_set_num_threads(int threads) {
  ganglion::set_num_threads(std::min(std::max(threads, 1), ganglion::kMaxThreads));
}

namespace ganglion {
namespace {

int64_t first_not_finite_row(pybind11::handle array, double largest) {
  Source source = read_rows("first_not_finite", "array", array);
  const pybind11::gil_scoped_release released;
  return first_not_finite(source, largest);
}

int64_t first_not_index_row(pybind11::handle array, int64_t size) {
  Source source = read_rows("first_not_index", "array", array);
  check(size > 0 && size <= int64_t{1} << 24, "[first_not_index] size must be from 1 to 2^24, got ", size);
  const pybind11::gil_scoped_release released;
  return first_not_index(source, size);
}

pybind11::array_t<int64_t> epoch_order(int64_t rows, uint64_t seed, uint64_t epoch) {
  check(rows >= 0, "[epoch_order] rows must not be negative, got ", rows);
  EpochOrder order(rows);
  order.shuffle(seed, epoch);
  pybind11::array_t<int64_t> numbers(rows);
  std::copy_n(order.rows(), rows, numbers.mutable_data());
  return numbers;
}

}  // namespace

void bind_training(pybind11::module_& m) {
  namespace py = pybind11;
  bind_sparse_rows(m);
  bind_ragged_rows(m);
  bind_streams(m);
  bind_executable(m);
  bind_trainer(m);
  m.def("first_not_finite", &first_not_finite_row, py::arg("array"),
        py::arg("largest") = std::numeric_limits<double>::max(),
        "The first row of an array with a NaN or a value beyond +-largest, -1 when there is none.");
  m.def("first_not_index", &first_not_index_row, py::arg("array"), py::arg("size"),
        "The first row of an array with anything but whole numbers from 0 to less than size, -1 when there is none.");
  m.def("epoch_order", &epoch_order, py::arg("rows"), py::arg("seed"), py::arg("epoch"),
        "The row numbers in the order in which a shuffled epoch takes them.");
  m.def("get_num_threads", &get_num_threads, "Threads that programs run on.");
  m.def("set_num_threads", &set_num_threads, py::arg("threads"));
  m.def("available_cores", &available_cores, py::arg("root") = "",
        "Processors that the scheduler and the control groups leave to this process.");
}

}  // namespace ganglion
