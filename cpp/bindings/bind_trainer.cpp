#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bound_executable.h"
#include "core/error.h"
#include "training/trainer.h"

namespace py = pybind11;

namespace ganglion {
namespace {

// A trainer with its executable and the arrays that it reads.
class BoundTrainer {
 public:
  BoundTrainer(py::object executable, const py::list& inputs, int64_t batch_size)
      : executable_object_(std::move(executable)),
        executable_(executable_object_.cast<BoundExecutable&>()),
        inputs_(inputs) {
    check(batch_size >= 1, "[Trainer] batch_size must be positive, got ", batch_size);
    int64_t rows = 0;
    std::vector<Source> sources = read_inputs("Trainer", executable_.program(), inputs, &rows);
    std::visit(
        [&](auto& engine) {
          using Engine = std::remove_reference_t<decltype(*engine)>;
          trainer_ = std::make_unique<TrainerOf<Engine>>(*engine, std::move(sources), batch_size);
        },
        executable_.engine);
    batch_rows_ = std::min(batch_size, rows);
    last_rows_ = rows % batch_rows_ == 0 ? batch_rows_ : rows % batch_rows_;
  }

  void start_epoch(const std::optional<uint64_t>& order_seed, uint64_t epoch) {
    const Running running(executable_.lock());
    std::visit([&](auto& trainer) { trainer->start_epoch(order_seed, epoch); }, trainer_);
  }

  void start_epoch_in(const py::array_t<int64_t, py::array::c_style>& order) {
    const Running running(executable_.lock());
    std::visit(
        [&](auto& trainer) {
          check(order.ndim() == 1 && order.size() == trainer->data_rows(), "[Trainer] the order must have shape (",
                trainer->data_rows(), ",), got ", shape_text(order));
          trainer->start_epoch(order.data());
        },
        trainer_);
  }

  std::pair<int64_t, bool> run(int64_t steps, uint64_t step, uint64_t seed, const py::dict& scalars,
                               int64_t accumulation, bool update, const py::object& progress) {
    check(steps >= 0, "[Trainer] steps must not be negative, got ", steps);
    check(accumulation >= 1, "[Trainer] accumulation must be positive, got ", accumulation);
    Steps part{steps, RunKey{seed, step}, {}, accumulation, update};
    const std::vector<py::object> kept = read_scalars("Trainer", executable_.program(), scalars);
    for (const py::object& scalar : kept) {
      part.scalars.push_back(scalar_values(scalar, steps));
    }
    StepsDone done{};
    {
      const Running running(executable_.lock());
      executable_.prepare(batch_rows_);
      executable_.prepare(last_rows_);
      const auto poll = [&](int64_t count, double mean_loss) { return poll_python(progress, count, mean_loss); };
      done = std::visit([&](auto& trainer) { return trainer->run(part, poll); }, trainer_);
    }
    raise_pending();
    return {done.count, done.finite};
  }

  py::dict sums() {
    const Reading reading(executable_.lock());
    const auto& sums =
        std::visit([](auto& trainer) -> const std::vector<std::vector<double>>& { return trainer->sums(); }, trainer_);
    py::dict named;
    const Program& program = executable_.program();
    for (size_t index = 0; index < sums.size(); ++index) {
      py::array_t<double> array(output_shape(program, index, 1));
      std::copy(sums[index].begin(), sums[index].end(), array.mutable_data());
      named[program.outputs[index].first.c_str()] = array;
    }
    return named;
  }

  int64_t rows() {
    const Reading reading(executable_.lock());
    return std::visit([](auto& trainer) { return trainer->rows(); }, trainer_);
  }

 private:
  template <class Engine>
  struct TrainerFor;
  template <class T>
  struct TrainerFor<Executable<T>> {
    using Type = Trainer<T>;
  };
  template <class Engine>
  using TrainerOf = typename TrainerFor<Engine>::Type;

  static const double* scalar_values(py::handle scalar, int64_t steps) {
    using Array = py::array_t<double, py::array::c_style>;
    if (!py::isinstance<Array>(scalar)) throw py::type_error("[Trainer] scalars must be contiguous float64 arrays");
    const auto values = py::reinterpret_borrow<Array>(scalar);
    check(values.ndim() == 1 && values.size() >= steps, "[Trainer] scalars must have one value for each of ", steps,
          " steps, got shape ", shape_text(values));
    return values.data();
  }

  py::object executable_object_;
  BoundExecutable& executable_;
  py::tuple inputs_;                        // a copy of the list
  int64_t batch_rows_ = 0, last_rows_ = 0;  // of a batch, and of the epoch's last one
  std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer_;
};

}  // namespace

void bind_trainer(py::module_& m) {
  py::class_<BoundTrainer>(m, "Trainer", "Runs whole epochs of a program over arrays, which are read where they lie.")
      .def(py::init<py::object, const py::list&, int64_t>(), py::arg("executable"), py::arg("inputs"),
           py::arg("batch_size"))
      .def("start_epoch", &BoundTrainer::start_epoch, py::arg("order_seed"), py::arg("epoch"),
           "Goes back to the first batch and sets the sums to zero. The order of the rows is a function of the two\n"
           "numbers; with order_seed None the rows come as they lie.")
      .def("start_epoch_in", &BoundTrainer::start_epoch_in, py::arg("order"),
           "The same, with the rows in the order given: an array of as many row numbers as there are rows.")
      .def("run", &BoundTrainer::run, py::arg("steps"), py::arg("step"), py::arg("seed"), py::arg("scalars"),
           py::arg("accumulation") = 1, py::arg("update") = true, py::arg("progress") = py::none(),
           "Runs up to `steps` further batches of the epoch; returns how many were done, and False when the next\n"
           "one's loss was not finite.")
      .def_property_readonly("sums", &BoundTrainer::sums,
                             "Each output summed over the batches since start_epoch; the loss weighted by their rows.")
      .def_property_readonly("rows", &BoundTrainer::rows, "Samples seen since start_epoch.");
}

}  // namespace ganglion
