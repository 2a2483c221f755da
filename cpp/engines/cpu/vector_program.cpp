#include "engines/cpu/vector_program.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace ganglion {

namespace {

using x86::Arithmetic;
using x86::Predicate;

template <class T, class Bits>
T from_bits(Bits bits) {
  T number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

template <class T>
T sign_bit() {
  return static_cast<T>(-0.0);
}
float all_but_sign_bit(float) { return from_bits<float>(uint32_t{0x7FFFFFFF}); }
double all_but_sign_bit(double) { return from_bits<double>(uint64_t{0x7FFFFFFFFFFFFFFF}); }

// Translates one instruction after the other; the semantics are those of cpp/kernels/elementwise-inl.h.
class Lowering {
 public:
  Lowering(const Expression& expression, const VectorFunction* functions, VectorProgram* program)
      : expression_(expression), functions_(functions), program_(*program) {}

  bool run() {
    const auto draws = [](const Instruction& instruction) {
      return instruction.opcode == Opcode::random_uniform || instruction.opcode == Opcode::random_normal;
    };
    const auto& instructions = expression_.instructions;
    program_.streams =
        expression_.operands + static_cast<int>(std::count_if(instructions.begin(), instructions.end(), draws));
    for (int operand = 0; operand < expression_.operands; ++operand) values_.push_back(operand);
    int stream = expression_.operands;
    for (const Instruction& instruction : instructions) {
      values_.push_back(draws(instruction) ? stream++ : translate(instruction));
      if (values_.back() < 0) return false;
    }
    for (int result : expression_.results) program_.results.push_back(values_[static_cast<size_t>(result)]);
    return true;
  }

 private:
  int add(const VectorOperation& operation) {
    program_.operations.push_back(operation);
    return program_.made_by(program_.operations.size() - 1);
  }
  int arithmetic(Arithmetic what, int a, int b) {
    VectorOperation operation{VectorOperation::Kind::arithmetic, {a, b, -1, -1}};
    operation.arithmetic = what;
    return add(operation);
  }
  int unary(VectorOperation::Kind kind, int a) { return add({kind, {a, -1, -1, -1}}); }
  int select(Predicate predicate, int a, int b, int yes, int no) {
    VectorOperation operation{VectorOperation::Kind::select, {a, b, yes, no}};
    operation.predicate = predicate;
    return add(operation);
  }
  int constant(Constant which) const { return program_.constant(which); }
  // 1 where the predicate holds, otherwise 0.
  int truth(Predicate predicate, int a, int b) {
    return select(predicate, a, b, constant(Constant::one), constant(Constant::zero));
  }
  // Of two, the one for which the predicate holds; NaN where either is.
  int choice(Predicate predicate, int a, int b) {
    return select(predicate, a, b, a, select(Predicate::equal, a, a, b, a));
  }
  // condition != 0 ? yes : no; a comparison is used as such and not by way of 1 and 0.
  int where(int condition, int yes, int no) {
    const int first = program_.made_by(0);
    if (condition >= first) {
      const VectorOperation& made = program_.operations[static_cast<size_t>(condition - first)];
      if (made.kind == VectorOperation::Kind::select && made.inputs[2] == constant(Constant::one) &&
          made.inputs[3] == constant(Constant::zero)) {
        return select(made.predicate, made.inputs[0], made.inputs[1], yes, no);
      }
    }
    return select(Predicate::not_equal, condition, constant(Constant::zero), yes, no);
  }

  int translate(const Instruction& instruction) {
    const auto value = [&](int reg) { return reg < 0 ? -1 : values_[static_cast<size_t>(reg)]; };
    const int a = value(instruction.a), b = value(instruction.b), c = value(instruction.c);
    const int zero = constant(Constant::zero), one = constant(Constant::one);
    using Kind = VectorOperation::Kind;
    switch (instruction.opcode) {
      case Opcode::negative:
        return arithmetic(Arithmetic::bit_xor, a, constant(Constant::sign_bit));
      case Opcode::absolute:
        return magnitude(a);
      case Opcode::sign:
        return select(Predicate::greater, a, zero, one,
                      select(Predicate::less, a, zero, constant(Constant::minus_one), a));
      case Opcode::floor:
        return unary(Kind::round_down, a);
      case Opcode::square:
        return arithmetic(Arithmetic::multiply, a, a);
      case Opcode::sqrt:
        return unary(Kind::square_root, a);
      case Opcode::rsqrt:
        return arithmetic(Arithmetic::divide, one, unary(Kind::square_root, a));
      case Opcode::reciprocal:
        return arithmetic(Arithmetic::divide, one, a);
      case Opcode::relu:
        return arithmetic(Arithmetic::maximum, zero, a);  // 0 > a ? 0 : a, so NaN and -0 stay
      case Opcode::is_finite:
        return truth(Predicate::less_equal, magnitude(a), constant(Constant::largest));
      case Opcode::add:
        return arithmetic(Arithmetic::add, a, b);
      case Opcode::subtract:
        return arithmetic(Arithmetic::subtract, a, b);
      case Opcode::multiply:
        return arithmetic(Arithmetic::multiply, a, b);
      case Opcode::divide:
        return arithmetic(Arithmetic::divide, a, b);
      case Opcode::maximum:
        return choice(Predicate::greater, a, b);
      case Opcode::minimum:
        return choice(Predicate::less, a, b);
      case Opcode::greater:
        return truth(Predicate::greater, a, b);
      case Opcode::greater_equal:
        return truth(Predicate::greater_equal, a, b);
      case Opcode::equal:
        return truth(Predicate::equal, a, b);
      case Opcode::where:
        return where(a, b, c);
      default:
        return call(instruction.opcode, a, b);
    }
  }

  int magnitude(int a) { return arithmetic(Arithmetic::bit_and, a, constant(Constant::all_but_sign_bit)); }

  int call(Opcode opcode, int a, int b) {
    VectorOperation operation{VectorOperation::Kind::call, {a, b, -1, -1}};
    operation.function = functions_[static_cast<int>(opcode)];
    return operation.function ? add(operation) : -1;
  }

  const Expression& expression_;
  const VectorFunction* functions_;
  VectorProgram& program_;
  std::vector<int> values_;  // of each of the expression's registers
};

// Leaves out what nothing reads: comparisons that a `where` has taken over.
void drop_unread(VectorProgram* program) {
  const int first = program->made_by(0);
  std::vector<int> renumbered(static_cast<size_t>(program->values()));
  std::vector<char> read(renumbered.size(), 0);
  for (int result : program->results) read[static_cast<size_t>(result)] = 1;
  for (size_t i = program->operations.size(); i-- > 0;) {
    if (!read[static_cast<size_t>(program->made_by(i))]) continue;
    for (int input : program->operations[i].inputs) {
      if (input >= 0) read[static_cast<size_t>(input)] = 1;
    }
  }
  std::vector<VectorOperation> kept;
  for (int value = 0; value < first; ++value) renumbered[static_cast<size_t>(value)] = value;
  for (size_t i = 0; i < program->operations.size(); ++i) {
    const size_t made = static_cast<size_t>(program->made_by(i));
    if (!read[made]) continue;
    renumbered[made] = program->made_by(kept.size());
    kept.push_back(program->operations[i]);
    for (int& input : kept.back().inputs) {
      if (input >= 0) input = renumbered[static_cast<size_t>(input)];
    }
  }
  for (int& result : program->results) result = renumbered[static_cast<size_t>(result)];
  program->operations = std::move(kept);
}

}  // namespace

template <class T>
const T* constant_address(Constant constant) {
  static const T constants[] = {T{0}, T{1}, T{-1}, sign_bit<T>(), all_but_sign_bit(T{}), std::numeric_limits<T>::max()};
  static_assert(sizeof constants / sizeof(T) == static_cast<size_t>(Constant::count), "one for each Constant");
  return &constants[static_cast<int>(constant)];
}

bool lower(const Expression& expression, const VectorFunction* functions, VectorProgram* program) {
  if (!Lowering(expression, functions, program).run()) return false;
  drop_unread(program);
  return true;
}

template const float* constant_address<float>(Constant);
template const double* constant_address<double>(Constant);

}  // namespace ganglion
