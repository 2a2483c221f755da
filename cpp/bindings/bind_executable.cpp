#include <pybind11/stl.h>

#include <algorithm>
#include <type_traits>

#include "bindings/arrays.h"
#include "bindings/bound_executable.h"
#include "core/error.h"
#include "training/gathering.h"
#include "training/trainer.h"

namespace py = pybind11;

namespace ganglion {
namespace {

template <class Engine>
using ScalarOf = std::remove_pointer_t<decltype(std::declval<Engine>()->input(0))>;

void* buffer_of(py::handle store, const char* name, int64_t needed, const char* dtype, int64_t* count) {
  if (store.is_none()) {
    check(needed == 0, "[Executable] the program has ", needed, " ", name, ", but none were given");
    return nullptr;
  }
  auto& found = store.cast<Store&>();
  check(std::string(found.dtype()) == dtype, "[Executable] ", name, " are ", found.dtype(), ", expected ", dtype);
  check(found.size() >= needed, "[Executable] the program has ", needed, " ", name, ", got ", found.size());
  *count = found.size();
  return found.data();
}

const Engine* engine_in(const py::object& capsule) {
  if (capsule.is_none()) return nullptr;
  const void* const engine = PyCapsule_GetPointer(capsule.ptr(), Engine::kCapsule);
  if (!engine) throw py::error_already_set();
  return static_cast<const Engine*>(engine);
}

py::array store_array(const py::object& self) {
  auto& store = self.cast<Store&>();
  const auto dtype = py::dtype(store.dtype());
  return {dtype, {store.size()}, {dtype.itemsize()}, store.data(), self};
}

}  // namespace

Store::Store(int64_t size, const std::string& dtype) {
  check(size >= 0, "[Store] size must not be negative, got ", size);
  with_scalar("Store", dtype, [&](auto scalar) { buffer_ = Buffer<decltype(scalar)>(size); });
}

int64_t Store::size() const {
  return std::visit([](const auto& buffer) { return buffer.size(); }, buffer_);
}

const char* Store::dtype() const { return buffer_.index() == 0 ? "float32" : "float64"; }

void* Store::data() {
  return std::visit([](auto& buffer) -> void* { return buffer.data(); }, buffer_);
}

BoundExecutable::BoundExecutable(py::object program, const std::string& dtype, py::object parameters, py::object states,
                                 const py::object& capsule)
    : program_object_(std::move(program)),
      parameters_(std::move(parameters)),
      states_(std::move(states)),
      program_(&program_object_.cast<const Program&>()) {
  with_scalar("Executable", dtype, [&](auto scalar) {
    using T = decltype(scalar);
    Buffers buffers;
    buffers.parameters =
        buffer_of(parameters_, "parameters", program_->parameters, dtype.c_str(), &buffers.parameter_count);
    buffers.states = buffer_of(states_, "states", program_->states, dtype.c_str(), &buffers.state_count);
    const Engine* const other = engine_in(capsule);
    engine = other ? other->make<T>(*program_, buffers) : make_cpu_executable<T>(*program_, buffers);
  });
}

const char* BoundExecutable::dtype() const { return engine.index() == 0 ? "float32" : "float64"; }

void BoundExecutable::prepare(int64_t rows) {
  std::visit([&](auto& chosen) { chosen->reserve(rows); }, engine);
}

void BoundExecutable::reserve(int64_t rows) {
  check(rows >= 1, "[Executable] rows must be positive, got ", rows);
  const Running running(lock_);
  prepare(rows);
}

py::list BoundExecutable::run(const py::list& given, int64_t rows, const py::dict& scalars, uint64_t seed,
                              uint64_t step, bool update) {
  const py::tuple inputs(given);  // a copy: the caller may change the list while this runs
  int64_t found = 0;
  std::vector<Source> sources = read_inputs("Executable", *program_, inputs, &found);
  const bool batched = std::any_of(sources.begin(), sources.end(), [](const Source& s) { return s.batched(); });
  check(rows >= 1, "[Executable] rows must be positive, got ", rows);
  check(!batched || found == rows, "[Executable] the inputs have ", found, " rows, expected ", rows);
  std::vector<double> values;
  for (const py::object& scalar : read_scalars("Executable", *program_, scalars)) {
    values.push_back(scalar.cast<double>());
  }
  py::list outputs;
  std::visit(
      [&](auto& chosen) {
        using T = ScalarOf<decltype(chosen)>;
        std::vector<T*> results;
        for (size_t index = 0; index < program_->outputs.size(); ++index) {
          py::array_t<T> output(output_shape(*program_, index, rows));
          results.push_back(output.mutable_data());
          outputs.append(std::move(output));
        }
        const Running running(lock_);
        prepare(rows);
        for (size_t index = 0; index < values.size(); ++index) {
          chosen->set_scalar(static_cast<int>(index), values[index]);
        }
        const RunKey key{seed, step};
        for (const Source& source : sources) source.start_stream(nullptr, rows);
        Gathering<T> gathering(*chosen, sources);
        Run run{rows, key, gathering.from(nullptr, 0, rows, 0)};
        run.update = update;
        Runs<T> runs({chosen.get()});
        chosen->run(run);
        runs.end();
        for (size_t index = 0; index < results.size(); ++index) {
          const int64_t size = program_->shape(program_->outputs[index].second).size(rows);
          std::copy_n(chosen->output(static_cast<int>(index)), size, results[index]);
        }
      },
      engine);
  return outputs;
}

py::object BoundExecutable::predict(const py::list& given, int64_t batch_size, uint64_t seed, uint64_t step,
                                    bool checked) {
  check(batch_size >= 1, "[Executable] batch_size must be positive, got ", batch_size);
  const py::tuple inputs(given);
  int64_t rows = 0;
  std::vector<Source> sources = read_inputs("Executable", *program_, inputs, &rows);
  py::list outputs;
  Ending ending = Ending::done;
  std::visit(
      [&](auto& chosen) {
        using T = ScalarOf<decltype(chosen)>;
        std::vector<T*> results;
        for (size_t index = 0; index < program_->outputs.size(); ++index) {
          const auto& [name, value] = program_->outputs[index];
          check(program_->shape(value).batched, "[Executable] output '", name, "' has shape ",
                to_string(program_->shape(value)), ", but only outputs with a batch dimension can be predicted");
          py::array_t<T> output(output_shape(*program_, index, rows));
          results.push_back(output.mutable_data());
          outputs.append(std::move(output));
        }
        const Running running(lock_);
        prepare(std::min(batch_size, rows));
        Runs<T> runs({chosen.get()});
        ending = ganglion::predict(
            *chosen, sources, rows, batch_size, RunKey{seed, step}, results,
            [](int64_t, double) { return poll_python(Py_None, 0, 0.0); }, checked);
        runs.end();
      },
      engine);
  raise_pending();
  if (ending == Ending::not_finite) return py::none();
  return outputs;
}

std::vector<double> BoundExecutable::profile(bool enable) {
  const Running running(lock_);
  return std::visit([&](auto& chosen) { return chosen->profile(enable); }, engine);
}

int64_t BoundExecutable::arena_bytes() {
  const Running running(lock_);
  return std::visit([](const auto& chosen) { return chosen->arena_bytes(); }, engine);
}

bool poll_python(py::handle progress, int64_t steps, double mean_loss) {
  const py::gil_scoped_acquire gil;
  try {
    if (!progress.is_none()) progress(steps, mean_loss);
  } catch (py::error_already_set& error) {
    error.restore();
    return false;
  }
  return PyErr_CheckSignals() == 0;
}

void raise_pending() {
  if (PyErr_Occurred()) throw py::error_already_set();
}

std::vector<py::object> read_scalars(const char* place, const Program& program, const py::dict& scalars) {
  std::vector<py::object> values;
  for (const std::string& name : program.scalars) {
    check(scalars.contains(name), "[", place, "] scalar '", name, "' is missing");
    values.push_back(scalars[name.c_str()]);
  }
  check(scalars.size() == values.size(), "[", place, "] the program has ", values.size(), " scalars, got ",
        scalars.size());
  return values;
}

void bind_executable(py::module_& m) {
  py::class_<Store>(m, "Store",
                    "Numbers in one flat, aligned buffer: the weights of a network, or an optimizer's state.")
      .def(py::init<int64_t, const std::string&>(), py::arg("size"), py::arg("dtype"))
      .def_property_readonly("array", &store_array, "Writable view of the buffer, shape (size,).");

  py::class_<BoundExecutable>(
      m, "Executable", "A program made ready to run, one run at a time: on the CPU, or by the engine in a capsule.")
      .def(py::init<py::object, const std::string&, py::object, py::object, const py::object&>(), py::arg("program"),
           py::arg("dtype"), py::arg("parameters"), py::arg("states"), py::arg("engine") = py::none())
      .def("reserve", &BoundExecutable::reserve, py::arg("rows"), "Lays out memory for batches of at most `rows`.")
      .def("run", &BoundExecutable::run, py::arg("inputs"), py::arg("rows"), py::arg("scalars") = py::dict(),
           py::arg("seed") = 0, py::arg("step") = 0, py::arg("update") = true,
           "Runs one batch of `rows` samples; returns new arrays, one for each output.")
      .def("predict", &BoundExecutable::predict, py::arg("inputs"), py::arg("batch_size"), py::arg("seed") = 0,
           py::arg("step") = 0, py::arg("checked") = false,
           "Runs the forward pass over all rows, batch by batch; returns one array an output, or None when `checked` "
           "inputs are not finite.")
      .def("profile", &BoundExecutable::profile, py::arg("enable"),
           "Seconds spent in each operation since profiling was last turned on or off.")
      .def_property_readonly("arena_bytes", &BoundExecutable::arena_bytes)
      .def_property_readonly("program", &BoundExecutable::program_object)
      .def_property_readonly("dtype", &BoundExecutable::dtype);
}

}  // namespace ganglion
