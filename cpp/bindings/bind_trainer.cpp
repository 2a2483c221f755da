#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <tuple>
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

using Numbers = py::array_t<int64_t, py::array::c_style>;

// A trainer with its executables and the arrays that they read.
class BoundTrainer {
 public:
  BoundTrainer(const py::sequence& executables, const py::list& inputs, int64_t batch_size)
      : executable_objects_(executables), inputs_(inputs) {
    check(batch_size >= 1, "[Trainer] batch_size must be positive, got ", batch_size);
    check(!executable_objects_.empty(), "[Trainer] needs an executable");
    for (const py::handle object : executable_objects_) {
      executables_.push_back(&object.cast<BoundExecutable&>());
      locks_.push_back(&executables_.back()->lock());
      check(executables_.back()->engine.index() == executables_.front()->engine.index() &&
                executables_.back()->program().scalars == executables_.front()->program().scalars,
            "[Trainer] the executables must be of one dtype and have the same scalars");
    }
    std::sort(locks_.begin(), locks_.end());  // two trainers with the same executables do not wait for each other
    std::visit(
        [&](auto& engine) {
          using Engine = std::remove_reference_t<decltype(*engine)>;
          trainer_ = std::make_unique<TrainerOf<Engine>>(parts<TrainerOf<Engine>>(), batch_size);
        },
        executables_.front()->engine);
    batch_rows_ = std::min(batch_size, rows_);
    prepare_alike();
  }

  void start_epoch(const std::optional<uint64_t>& order_seed, uint64_t epoch) {
    const RunningAll running(locks_);
    std::visit([&](auto& trainer) { trainer->start_epoch(order_seed, epoch); }, trainer_);
    prepare_alike();
  }

  void start_epoch_in(const Numbers& order, const std::optional<Numbers>& batches) {
    check(order.ndim() == 1 && order.size() == rows_, "[Trainer] the order must have shape (", rows_, ",), got ",
          shape_text(order));
    std::vector<Batch> plan;
    if (batches) plan = read_plan(*batches);
    const RunningAll running(locks_);
    std::visit([&](auto& trainer) { trainer->start_epoch(order.data(), plan); }, trainer_);
    prepare_alike();
    if (!plan.empty()) prepared_ = plan;
    const auto key = [](const Batch& batch) { return std::tuple(batch.program, batch.rows); };
    std::sort(prepared_.begin(), prepared_.end(), [&](auto& a, auto& b) { return key(a) < key(b); });
    const auto same = [&](auto& a, auto& b) { return key(a) == key(b); };
    prepared_.erase(std::unique(prepared_.begin(), prepared_.end(), same), prepared_.end());
  }

  std::pair<int64_t, bool> run(int64_t steps, uint64_t step, uint64_t seed, const py::dict& scalars,
                               int64_t accumulation, bool update, const py::object& progress) {
    check(steps >= 0, "[Trainer] steps must not be negative, got ", steps);
    check(accumulation >= 1, "[Trainer] accumulation must be positive, got ", accumulation);
    Steps part{steps, RunKey{seed, step}, {}, accumulation, update};
    const std::vector<py::object> kept = read_scalars("Trainer", program(), scalars);
    for (const py::object& scalar : kept) {
      part.scalars.push_back(scalar_values(scalar, steps));
    }
    StepsDone done{};
    {
      const RunningAll running(locks_);
      for (const Batch& batch : prepared_) executables_[static_cast<size_t>(batch.program)]->prepare(batch.rows);
      const auto poll = [&](int64_t count, double mean_loss) { return poll_python(progress, count, mean_loss); };
      done = std::visit([&](auto& trainer) { return trainer->run(part, poll); }, trainer_);
    }
    raise_pending();
    return {done.count, done.finite};
  }

  py::dict sums() {
    const Reading reading(*locks_.front());
    const auto& sums =
        std::visit([](auto& trainer) -> const std::vector<std::vector<double>>& { return trainer->sums(); }, trainer_);
    py::dict named;
    for (size_t index = 0; index < sums.size(); ++index) {
      py::array_t<double> array(output_shape(program(), index, 1));
      std::copy(sums[index].begin(), sums[index].end(), array.mutable_data());
      named[program().outputs[index].first.c_str()] = array;
    }
    return named;
  }

  int64_t rows() {
    const Reading reading(*locks_.front());
    return std::visit([](auto& trainer) { return trainer->rows(); }, trainer_);
  }

  double loss_weight() {
    const Reading reading(*locks_.front());
    return std::visit([](auto& trainer) { return trainer->loss_weight(); }, trainer_);
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

  const Program& program() const { return executables_.front()->program(); }

  template <class Trained>
  std::vector<typename Trained::Part> parts() {
    std::vector<typename Trained::Part> made;
    for (BoundExecutable* executable : executables_) {
      auto& engine =
          std::get<std::unique_ptr<std::remove_pointer_t<decltype(Trained::Part::executable)>>>(executable->engine);
      made.push_back({engine.get(), read_inputs("Trainer", executable->program(), inputs_, &rows_)});
    }
    return made;
  }

  // For batches of one size, of which the last may have fewer rows.
  void prepare_alike() {
    prepared_ = {{batch_rows_, 0}};
    if (rows_ % batch_rows_ != 0) prepared_.push_back({rows_ % batch_rows_, 0});
  }

  std::vector<Batch> read_plan(const Numbers& batches) const {
    check(batches.ndim() == 2 && batches.shape(1) == 2, "[Trainer] batches must have shape (n, 2), got ",
          shape_text(batches));
    std::vector<Batch> plan;
    int64_t rows = 0;
    for (py::ssize_t i = 0; i < batches.shape(0); ++i) {
      const int64_t count = batches.at(i, 0), program = batches.at(i, 1);
      check(count >= 1 && count <= rows_ - rows && program >= 0 && program < static_cast<int64_t>(executables_.size()),
            "[Trainer] batch ", i, " cannot have ", count, " rows for program ", program);
      plan.push_back({count, static_cast<int>(program)});
      rows += count;
    }
    check(rows == rows_, "[Trainer] the batches have ", rows, " rows, the data ", rows_);
    return plan;
  }

  static const double* scalar_values(py::handle scalar, int64_t steps) {
    using Array = py::array_t<double, py::array::c_style>;
    if (!py::isinstance<Array>(scalar)) throw py::type_error("[Trainer] scalars must be contiguous float64 arrays");
    const auto values = py::reinterpret_borrow<Array>(scalar);
    check(values.ndim() == 1 && values.size() >= steps, "[Trainer] scalars must have one value for each of ", steps,
          " steps, got shape ", shape_text(values));
    return values.data();
  }

  py::tuple executable_objects_;
  std::vector<BoundExecutable*> executables_;
  std::vector<RunLock*> locks_;
  py::tuple inputs_;  // a copy of the list
  int64_t rows_ = 0, batch_rows_ = 0;
  std::vector<Batch> prepared_;  // the sizes of batches that the epoch has
  std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer_;
};

}  // namespace

void bind_trainer(py::module_& m) {
  py::class_<BoundTrainer>(m, "Trainer", "Runs whole epochs of a program over arrays, which are read where they lie.")
      .def(py::init<const py::sequence&, const py::list&, int64_t>(), py::arg("executables"), py::arg("inputs"),
           py::arg("batch_size"))
      .def("start_epoch", &BoundTrainer::start_epoch, py::arg("order_seed"), py::arg("epoch"),
           "Goes back to the first batch and sets the sums to zero. The order of the rows is a function of the two\n"
           "numbers; with order_seed None the rows come as they lie.")
      .def("start_epoch_in", &BoundTrainer::start_epoch_in, py::arg("order"), py::arg("batches") = py::none(),
           "The same, with the rows in the order given: an array of as many row numbers as there are rows. Its\n"
           "batches may be given too, (n, 2): how many rows each has, and the number of its executable.")
      .def("run", &BoundTrainer::run, py::arg("steps"), py::arg("step"), py::arg("seed"), py::arg("scalars"),
           py::arg("accumulation") = 1, py::arg("update") = true, py::arg("progress") = py::none(),
           "Runs up to `steps` further batches of the epoch; returns how many were done, and False when the next\n"
           "one's loss was not finite.")
      .def_property_readonly("sums", &BoundTrainer::sums,
                             "Each output summed over the batches since start_epoch; the loss weighted by what\n"
                             "its means are over: rows, or what the output \"loss_weight\" says.")
      .def_property_readonly("loss_weight", &BoundTrainer::loss_weight, "These weights summed since start_epoch.")
      .def_property_readonly("rows", &BoundTrainer::rows, "Samples seen since start_epoch.");
}

}  // namespace ganglion
