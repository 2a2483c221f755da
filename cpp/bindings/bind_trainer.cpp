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

// What takes the batches of an epoch, beside others that take them too.
struct BoundTurn {
  BoundTurn(const py::sequence& given, int64_t every, int64_t accumulation) : executables(given) {
    check(!executables.empty(), "[Turn] needs an executable");
    check(every >= 1, "[Turn] every must be positive, got ", every);
    check(accumulation >= 1, "[Turn] accumulation must be positive, got ", accumulation);
    pace = {every, accumulation};
    for (const py::handle object : executables) {
      bound.push_back(&object.cast<BoundExecutable&>());
      check(bound.back()->engine.index() == bound.front()->engine.index() &&
                bound.back()->program().scalars == bound.front()->program().scalars,
            "[Turn] the executables must be of one dtype and have the same scalars");
    }
  }

  const Program& program() const { return bound.front()->program(); }

  py::tuple executables;
  std::vector<BoundExecutable*> bound;
  Pace pace;
};

// A trainer with its executables and the arrays that they read.
class BoundTrainer {
 public:
  BoundTrainer(const py::sequence& turns, const py::list& inputs, int64_t batch_size) : inputs_(inputs) {
    check(batch_size >= 1, "[Trainer] batch_size must be positive, got ", batch_size);
    check(!turns.empty(), "[Trainer] needs a turn");
    for (const py::handle object : turns) {
      turns_.push_back(object.cast<const BoundTurn&>());
      const BoundTurn& turn = turns_.back();
      check(turn.bound.size() == turns_.front().bound.size() && turn.bound.front()->engine.index() == engine().index(),
            "[Trainer] the turns must have as many executables each, of one dtype");
      for (BoundExecutable* executable : turn.bound) locks_.push_back(&executable->lock());
    }
    std::sort(locks_.begin(), locks_.end());  // two trainers with the same executables do not wait for each other
    check(std::adjacent_find(locks_.begin(), locks_.end()) == locks_.end(),
          "[Trainer] an executable can stand in one place only");
    std::visit(
        [&](auto& engine) {
          using Engine = std::remove_reference_t<decltype(*engine)>;
          trainer_ = std::make_unique<TrainerOf<Engine>>(read_turns<TrainerOf<Engine>>(), batch_size);
        },
        engine());
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

  std::pair<int64_t, bool> run(int64_t steps, uint64_t step, uint64_t seed, const py::list& scalars, bool update,
                               const py::object& progress) {
    check(steps >= 0, "[Trainer] steps must not be negative, got ", steps);
    check(scalars.size() == turns_.size(), "[Trainer] there are ", turns_.size(), " turns, and scalars for ",
          scalars.size());
    Steps part{steps, RunKey{seed, step}, {}, update};
    std::vector<py::object> kept;
    for (size_t turn = 0; turn < turns_.size(); ++turn) {
      part.scalars.emplace_back();
      for (py::object& scalar : read_scalars("Trainer", turns_[turn].program(), scalars[turn].cast<py::dict>())) {
        part.scalars.back().push_back(scalar_values(scalar, steps));
        kept.push_back(std::move(scalar));
      }
    }
    StepsDone done{};
    {
      const RunningAll running(locks_);
      for (const Batch& batch : prepared_) {
        for (const BoundTurn& turn : turns_) turn.bound[static_cast<size_t>(batch.program)]->prepare(batch.rows);
      }
      const auto poll = [&](int64_t count, double mean_loss) { return poll_python(progress, count, mean_loss); };
      done = std::visit([&](auto& trainer) { return trainer->run(part, poll); }, trainer_);
    }
    raise_pending();
    return {done.count, done.finite};
  }

  py::list sums() {
    const Reading reading(*locks_.front());
    py::list all;
    std::visit(
        [&](auto& trainer) {
          for (size_t turn = 0; turn < turns_.size(); ++turn) {
            const Program& program = turns_[turn].program();
            const auto& outputs = trainer->sums()[turn].outputs;
            py::dict named;
            for (size_t index = 0; index < outputs.size(); ++index) {
              py::array_t<double> array(output_shape(program, index, 1));
              std::copy(outputs[index].begin(), outputs[index].end(), array.mutable_data());
              named[program.outputs[index].first.c_str()] = array;
            }
            all.append(named);
          }
        },
        trainer_);
    return all;
  }

  int64_t rows() {
    const Reading reading(*locks_.front());
    return std::visit([](auto& trainer) { return trainer->rows(); }, trainer_);
  }

  std::vector<double> loss_weights() {
    const Reading reading(*locks_.front());
    std::vector<double> weights;
    std::visit(
        [&](auto& trainer) {
          for (const auto& sums : trainer->sums()) weights.push_back(sums.loss_weight);
        },
        trainer_);
    return weights;
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

  decltype(BoundExecutable::engine)& engine() const { return turns_.front().bound.front()->engine; }

  template <class Trained>
  std::vector<typename Trained::Turn> read_turns() {
    std::vector<typename Trained::Turn> made;
    for (const BoundTurn& turn : turns_) {
      made.push_back({{}, turn.pace});
      for (BoundExecutable* executable : turn.bound) {
        auto& engine =
            std::get<std::unique_ptr<std::remove_pointer_t<decltype(Trained::Part::executable)>>>(executable->engine);
        made.back().programs.push_back({engine.get(), read_inputs("Trainer", executable->program(), inputs_, &rows_)});
      }
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
      check(count >= 1 && count <= rows_ - rows && program >= 0 &&
                program < static_cast<int64_t>(turns_.front().bound.size()),
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

  std::vector<BoundTurn> turns_;
  std::vector<RunLock*> locks_;  // of all executables
  py::tuple inputs_;             // a copy of the list
  int64_t rows_ = 0, batch_rows_ = 0;
  std::vector<Batch> prepared_;  // the sizes of batches that the epoch has
  std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer_;
};

}  // namespace

void bind_trainer(py::module_& m) {
  py::class_<BoundTurn>(m, "Turn",
                        "What takes each batch, or every so many: a program, or several that do the same for\n"
                        "sequences of different lengths. Of these turns every so many update.")
      .def(py::init<const py::sequence&, int64_t, int64_t>(), py::arg("executables"), py::arg("every") = 1,
           py::arg("accumulation") = 1);

  py::class_<BoundTrainer>(m, "Trainer",
                           "Runs whole epochs of programs over arrays, which are read where they lie: each batch is\n"
                           "taken by one turn after the other.")
      .def(py::init<const py::sequence&, const py::list&, int64_t>(), py::arg("turns"), py::arg("inputs"),
           py::arg("batch_size"))
      .def("start_epoch", &BoundTrainer::start_epoch, py::arg("order_seed"), py::arg("epoch"),
           "Goes back to the first batch and sets the sums to zero. The order of the rows is a function of the two\n"
           "numbers; with order_seed None the rows come as they lie.")
      .def("start_epoch_in", &BoundTrainer::start_epoch_in, py::arg("order"), py::arg("batches") = py::none(),
           "The same, with the rows in the order given: an array of as many row numbers as there are rows. Its\n"
           "batches may be given too, (n, 2): how many rows each has, and the number of its executable.")
      .def("run", &BoundTrainer::run, py::arg("steps"), py::arg("step"), py::arg("seed"), py::arg("scalars"),
           py::arg("update") = true, py::arg("progress") = py::none(),
           "Runs up to `steps` further batches of the epoch, with scalars for each turn; returns how many were done,\n"
           "and False when a loss of the next one was not finite.")
      .def_property_readonly("sums", &BoundTrainer::sums,
                             "For each turn, each output summed over its batches since start_epoch; the loss weighted\n"
                             "by what its means are over: rows, or what the output \"loss_weight\" says.")
      .def_property_readonly("loss_weights", &BoundTrainer::loss_weights,
                             "For each turn, these weights summed since start_epoch.")
      .def_property_readonly("rows", &BoundTrainer::rows, "Samples seen since start_epoch.");
}

}  // namespace ganglion
