#include "core/error.h"
#include "engines/cpu/strided_view.h"
#include "engines/cuda/expression.h"

namespace ganglion::cuda {

namespace {

// Elements from which on a thread takes several of them: fewer leave most of a large device idle.
constexpr int64_t kManyElements = 1 << 17;
constexpr int64_t kMostBlocks = 4096;

}  // namespace

template <class T>
ExpressionCode<T>::ExpressionCode(const Program& program, const Expression& expression, std::vector<int> operands,
                                  std::vector<int> results, bool has_product)
    : program_(program), shape_(expression.shape), operands_(std::move(operands)), results_(std::move(results)) {
  for (int value : results_) {
    const Storage storage = program.values[static_cast<size_t>(value)].storage;
    keeps_ = keeps_ || storage == Storage::parameter || storage == Storage::state;
  }
  assign_slots(expression, has_product);
  views_.resize(operands_.size() + results_.size());
  check(fits<LongCode<T>>(), "[cuda] an expression of ", expression.instructions.size(), " functions of ",
        operands_.size(), " operands is too long for one kernel");
}

template <class T>
ExpressionCode<T> ExpressionCode<T>::epilogue(const Program& program, const Operation& operation, size_t arity) {
  if (!operation.expression.instructions.empty()) {
    const std::vector<int> others(operation.inputs.begin() + static_cast<int64_t>(arity), operation.inputs.end());
    return ExpressionCode(program, operation.expression, others, operation.outputs, true);
  }
  Expression identity;
  identity.shape = program.shape(operation.outputs[0]);
  identity.operands = 1;
  identity.results = {0};
  return ExpressionCode(program, identity, {}, {operation.outputs[0]}, true);
}

// An operand is loaded before the first instruction that reads it, and a slot is free after the last that does.
template <class T>
void ExpressionCode<T>::assign_slots(const Expression& expression, bool has_product) {
  const int count = static_cast<int>(expression.instructions.size());
  const size_t registers = static_cast<size_t>(expression.operands + count);
  std::vector<int> last(registers, -1), slot(registers, -1);
  for (int i = 0; i < count; ++i) {
    const Instruction& instruction = expression.instructions[static_cast<size_t>(i)];
    for (int read : {instruction.a, instruction.b, instruction.c}) {
      if (read >= 0) last[static_cast<size_t>(read)] = i;
    }
  }
  for (int result : expression.results) last[static_cast<size_t>(result)] = count;
  std::vector<int> released;
  const auto take = [&](int reg) {
    if (released.empty()) released.push_back(slots_++);
    slot[static_cast<size_t>(reg)] = released.back();
    released.pop_back();
    return static_cast<uint8_t>(slot[static_cast<size_t>(reg)]);
  };
  const auto require = [&](int reg) {
    if (reg < 0) return uint8_t{0};
    if (slot[static_cast<size_t>(reg)] < 0) {
      const bool is_product = has_product && reg == 0;
      const uint8_t opcode = is_product ? kLoadProduct : kLoadOperand;
      const uint32_t number = static_cast<uint32_t>(is_product ? 0 : reg - (has_product ? 1 : 0));
      instructions_.push_back({opcode, take(reg), 0, 0, 0, number});
    }
    return static_cast<uint8_t>(slot[static_cast<size_t>(reg)]);
  };
  for (int i = 0; i < count; ++i) {
    const Instruction& instruction = expression.instructions[static_cast<size_t>(i)];
    const uint8_t a = require(instruction.a), b = require(instruction.b), c = require(instruction.c);
    for (int read : {instruction.a, instruction.b, instruction.c}) {
      if (read < 0 || last[static_cast<size_t>(read)] != i) continue;
      released.push_back(slot[static_cast<size_t>(read)]);
      last[static_cast<size_t>(read)] = -1;  // once, though it may be read twice
    }
    const uint8_t to = take(expression.operands + i);
    instructions_.push_back({static_cast<uint8_t>(instruction.opcode), to, a, b, c, instruction.stream});
    if (last[static_cast<size_t>(expression.operands + i)] < 0) released.push_back(to);  // nobody reads it
  }
  for (int result : expression.results) stored_.push_back(require(result));
}

template <class T>
void ExpressionCode<T>::bind(int64_t rows, const Memory<T>& memory) {
  elements_ = shape_.size(rows);
  std::vector<int64_t> extents;
  for (int axis = 0; axis < shape_.rank(); ++axis) extents.push_back(shape_.extent(axis, rows));
  size_t number = 0;
  for (const std::vector<int>* values : {&operands_, &results_}) {
    for (int value : *values) {
      const Shape& shape = program_.shape(value);
      const std::vector<int64_t> strides = broadcast_strides(shape, shape_, rows, memory.sample_stride(value));
      views_[number++] = make_view<T, kOperandAxes>(memory.at(value), extents, strides);
    }
  }
}

template <class T>
template <class C>
void ExpressionCode<T>::launch_code(cudaStream_t stream, const Control* control, const T* product) const {
  const int64_t blocks = std::min(divide_up(elements_, int64_t{kThreads} * C::kWidth), kMostBlocks);
  launch(stream, blocks, kThreads, expression_kernel<C>, made<C>(), control, product, elements_);
}

template <class T>
void ExpressionCode<T>::enqueue(cudaStream_t stream, const Control* control, const T* product) const {
  if (!fits<ShortCode<T>>()) return launch_code<LongCode<T>>(stream, control, product);
  if (elements_ < kManyElements) return launch_code<ShortNarrowCode<T>>(stream, control, product);
  launch_code<ShortCode<T>>(stream, control, product);
}

namespace {

template <class T>
class ExpressionStep : public Step<T> {
 public:
  explicit ExpressionStep(const StepSource<T>& source)
      : source_(source),
        code_(source.program, source.operation.expression, source.operation.inputs, source.operation.outputs, false) {}

  void bind(int64_t rows) override { code_.bind(rows, source_.memory); }
  void enqueue(cudaStream_t stream) override { code_.enqueue(stream, source_.memory.control, nullptr); }

 private:
  StepSource<T> source_;
  ExpressionCode<T> code_;
};

}  // namespace

template <class T>
StepPointer<T> make_expression_step(const StepSource<T>& source) {
  return std::make_unique<ExpressionStep<T>>(source);
}

template class ExpressionCode<float>;
template class ExpressionCode<double>;
template StepPointer<float> make_expression_step(const StepSource<float>&);
template StepPointer<double> make_expression_step(const StepSource<double>&);

}  // namespace ganglion::cuda
