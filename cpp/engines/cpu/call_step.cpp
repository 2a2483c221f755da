// call: hands the batch to a function from outside.
#include "engines/cpu/step.h"
#include "program/foreign.h"

namespace ganglion {

namespace {

template <class T>
class CallStep : public Step<T> {
 public:
  explicit CallStep(const StepSource<T>& source) : source_(source) {}

  void bind(int64_t rows) override { rows_ = rows; }
  int64_t chunks(int) const override { return 1; }
  void run(int, int64_t, int, const RunKey&) override {
    std::vector<Foreign::Operand> operands;
    std::vector<Foreign::Result> results;
    for (int value : source_.operation.inputs) {
      operands.push_back({source_.at(value), extents(value), source_.memory.keeper(value)});
    }
    for (int value : source_.operation.outputs) results.push_back({source_.at(value), extents(value)});
    source_.operation.foreign->run(operands, results, sizeof(T) == sizeof(float));
  }

 private:
  std::vector<int64_t> extents(int value) const {
    const Shape& shape = source_.shape(value);
    std::vector<int64_t> all;
    for (int axis = 0; axis < shape.rank(); ++axis) all.push_back(shape.extent(axis, rows_));
    return all;
  }

  StepSource<T> source_;
  int64_t rows_ = 0;
};

}  // namespace

template <class T>
StepPointer<T> make_call_step(const StepSource<T>& source) {
  return std::make_unique<CallStep<T>>(source);
}

template StepPointer<float> make_call_step(const StepSource<float>&);
template StepPointer<double> make_call_step(const StepSource<double>&);

}  // namespace ganglion
