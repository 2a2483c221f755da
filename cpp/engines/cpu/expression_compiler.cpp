#include "engines/cpu/expression_compiler.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "engines/cpu/vector_program.h"
#include "kernels/kernels.h"

namespace ganglion {

namespace {

using namespace x86;

// The rectangle, and the byte of a row that the loop has come to. Calls leave these registers alone.
constexpr Register kRectangle = rbx, kPosition = r12, kScratch = rax;
// For the streams' data, when there are enough and nothing is called.
constexpr Register kPointers[] = {rcx, rdx, rsi, rdi, r8, r9, r10, r11, r13, r14, r15};
constexpr int kMaxSlots = 128;  // vectors on the stack

constexpr Address field(size_t offset) { return {kRectangle, none, static_cast<int32_t>(offset)}; }
constexpr Address stream_data(int stream) {
  return field(offsetof(Rectangle, streams) + static_cast<size_t>(stream) * sizeof(Rectangle::Stream));
}
constexpr Address stream_step(int stream) {
  return field(offsetof(Rectangle, streams) + static_cast<size_t>(stream) * sizeof(Rectangle::Stream) +
               offsetof(Rectangle::Stream, row_bytes));
}

int64_t count_calls(const VectorProgram& program) {
  return std::count_if(program.operations.begin(), program.operations.end(),
                       [](const VectorOperation& operation) { return operation.kind == VectorOperation::Kind::call; });
}

template <class T>
class Compiler {
 public:
  Compiler(const VectorProgram& program, const std::vector<Access>& accesses, bool wide)
      : program_(program), accesses_(accesses), code_(wide, sizeof(T)), values_(static_cast<size_t>(program.values())) {
    accesses_.resize(static_cast<size_t>(program.streams) + program.results.size(), Access::elements);
    calls_ = count_calls(program) > 0;
    in_registers_ = !calls_ && accesses_.size() <= std::size(kPointers);
  }

  // Empty when the expression is too large.
  std::vector<uint8_t> compile() {
    measure_lives();
    keep_invariants();
    enter();
    Label row, whole, tail, end;
    code_.place(row);
    for (int value = 0; value < program_.streams; ++value) {
      if (is_invariant(value)) broadcast(value, stream(value));
    }
    code_.clear(kPosition);
    code_.compare(kPosition, field(offsetof(Rectangle, whole_bytes)));
    code_.jump_if_not_below(tail);
    code_.place(whole);
    write_body(false);
    code_.add(kPosition, code_.vector_bytes());
    code_.compare(kPosition, field(offsetof(Rectangle, whole_bytes)));
    code_.jump_if_below(whole);
    code_.place(tail);
    code_.compare_with_zero(field(offsetof(Rectangle, tail)));
    code_.jump_if_zero(end);
    load_mask();
    write_body(true);
    code_.place(end);
    next_row();
    code_.decrement(field(offsetof(Rectangle, rows)));
    code_.jump_if_not_zero(row);
    leave();
    code_.set_value(frame_, -slots_ * code_.vector_bytes());
    return slots_ <= kMaxSlots ? code_.code() : std::vector<uint8_t>{};
  }

 private:
  struct Value {
    std::vector<int> uses;  // operations that read it, in order; their number if it is a result
    int reg = none;
    int slot = -1;
    bool stored = false;  // its slot holds it
    bool pinned = false;  // its register is its own throughout
  };

  Value& value(int id) { return values_[static_cast<size_t>(id)]; }
  bool is_constant(int id) const { return id >= program_.streams && id < program_.made_by(0); }
  bool is_invariant(int id) const {
    return is_constant(id) || (id < program_.streams && accesses_[static_cast<size_t>(id)] == Access::rows);
  }
  int last_use(int id) { return value(id).uses.empty() ? -1 : value(id).uses.back(); }

  void measure_lives() {
    const int count = static_cast<int>(program_.operations.size());
    for (int i = 0; i < count; ++i) {
      for (int input : program_.operations[static_cast<size_t>(i)].inputs) {
        if (input >= 0) value(input).uses.push_back(i);
      }
    }
    for (int result : program_.results) value(result).uses.push_back(count);
  }

  // Values alive at once in the loop, besides the invariants.
  int most_alive() {
    const int count = static_cast<int>(program_.operations.size());
    int most = 0;
    for (int i = 0; i <= count; ++i) {
      int alive = 0;
      for (int id = 0; id < program_.values(); ++id) {
        if (is_invariant(id) || last_use(id) < i) continue;
        const int first = id < program_.streams ? value(id).uses.front() : id - program_.made_by(0);
        alive += first <= i;
      }
      most = std::max(most, alive);
    }
    return most;
  }

  // Numbers and rows that the loop reads stay in registers where there are enough; a call would overwrite them.
  void keep_invariants() {
    holders_.assign(static_cast<size_t>(code_.registers()), -1);
    // One operation reads up to four values.
    int spare = calls_ ? 0 : code_.registers() - std::max(most_alive() + 1, 4);
    for (int id = 0; id < program_.made_by(0); ++id) {
      if (!is_invariant(id) || value(id).uses.empty()) continue;
      if (spare > 0) {
        --spare;
        value(id).pinned = true;
        value(id).reg = static_cast<int>(holders_.size()) - 1;
        holders_.pop_back();
      } else {
        slot(id);
      }
    }
  }

  Address slot(int id) {
    if (value(id).slot < 0) value(id).slot = slots_++;
    return {rsp, none, value(id).slot * code_.vector_bytes()};
  }

  // ---- around the loop

  void enter() {
    code_.push(rbp);
    code_.set(rbp, rsp);
    for (Register saved : kSaved) code_.push(saved);
    code_.add(rsp, 0);
    frame_ = code_.code().size();
    code_.bit_and(rsp, -code_.vector_bytes());
    code_.set(kRectangle, rdi);
    for (int id = program_.streams; id < program_.made_by(0); ++id) {
      if (value(id).uses.empty()) continue;
      code_.set(kScratch,
                reinterpret_cast<uint64_t>(constant_address<T>(static_cast<Constant>(id - program_.streams))));
      broadcast(id, {kScratch});
    }
    if (!in_registers_) return;
    for (size_t i = 0; i < accesses_.size(); ++i) code_.load(kPointers[i], stream_data(static_cast<int>(i)));
  }

  void broadcast(int id, const Address& from) {
    if (value(id).uses.empty()) return;
    const int reg = value(id).pinned ? value(id).reg : 0;
    code_.broadcast(reg, from);
    if (!value(id).pinned) code_.store(slot(id), reg);
  }

  void next_row() {
    for (int i = 0; i < static_cast<int>(accesses_.size()); ++i) {
      if (in_registers_) {
        code_.add(kPointers[i], stream_step(i));
      } else {
        code_.load(kScratch, stream_step(i));
        code_.add(stream_data(i), kScratch);
      }
    }
  }

  void leave() {
    code_.zero_upper();
    code_.load_address(rsp, {rbp, none, -8 * static_cast<int>(std::size(kSaved))});
    for (size_t i = std::size(kSaved); i-- > 0;) code_.pop(kSaved[i]);
    code_.pop(rbp);
    code_.leave();
  }

  void load_mask() {
    if (accesses_.empty()) return;
    code_.load(kScratch, field(offsetof(Rectangle, tail)));
    code_.load_mask({kScratch});
  }

  // Where a stream stands: at the row's number, or at the elements the loop has come to.
  Address stream(int id) {
    const Register index = accesses_[static_cast<size_t>(id)] == Access::rows ? none : kPosition;
    if (in_registers_) return {kPointers[id], index};
    code_.load(kScratch, stream_data(id));
    return {kScratch, index};
  }

  // ---- the loop's body

  void write_body(bool masked) {
    masked_ = masked;
    std::fill(holders_.begin(), holders_.end(), -1);
    for (int id = 0; id < program_.values(); ++id) {
      if (!value(id).pinned) value(id).reg = none;
      value(id).stored = is_invariant(id) && !value(id).pinned;
    }
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      now_ = static_cast<int>(i);
      const VectorOperation& operation = program_.operations[i];
      if (operation.kind == VectorOperation::Kind::call) {
        write_call(operation, program_.made_by(i));
      } else {
        write(operation, program_.made_by(i));
      }
    }
    now_ = static_cast<int>(program_.operations.size());
    for (size_t r = 0; r < program_.results.size(); ++r) {
      const int reg = bring(program_.results[r]);
      code_.store(stream(program_.streams + static_cast<int>(r)), reg, masked_);
    }
  }

  void write(const VectorOperation& operation, int made) {
    int in[4] = {none, none, none, none};
    busy_.clear();
    for (int i = 0; i < 4; ++i) {
      if (operation.inputs[i] < 0) continue;
      in[i] = bring(operation.inputs[i]);
      busy_.push_back(operation.inputs[i]);
    }
    busy_.clear();
    for (int input : operation.inputs) {
      if (input >= 0 && last_use(input) == now_) release(input);
    }
    const int to = take(made);
    using Kind = VectorOperation::Kind;
    switch (operation.kind) {
      case Kind::arithmetic:
        return code_.arithmetic(operation.arithmetic, to, in[0], in[1]);
      case Kind::square_root:
        return code_.square_root(to, in[0]);
      case Kind::round_down:
        return code_.round_down(to, in[0]);
      case Kind::select:
        return code_.select(operation.predicate, to, in[0], in[1], in[2], in[3]);
      case Kind::call:
        break;
    }
  }

  // A called function takes vectors 0 and 1, gives 0, and leaves nothing of the others.
  void write_call(const VectorOperation& operation, int made) {
    const bool two = operation.inputs[1] >= 0;
    const int first = bring(operation.inputs[0]);
    busy_ = {operation.inputs[0]};
    if (two) bring(operation.inputs[1]);
    busy_.clear();
    for (int id : holders_) {
      if (id >= 0 && (two || last_use(id) > now_)) keep(id);
    }
    if (two) {
      code_.load(0, slot(operation.inputs[0]));
      code_.load(1, slot(operation.inputs[1]));
    } else if (first != 0) {
      code_.move(0, first);
    }
    for (int& id : holders_) {
      if (id >= 0) value(id).reg = none;
      id = -1;
    }
    code_.set(kScratch, reinterpret_cast<uint64_t>(operation.function));
    code_.call(kScratch);
    if (masked_) load_mask();
    holders_[0] = made;
    value(made).reg = 0;
  }

  // The register that holds a value, loaded if it has to be.
  int bring(int id) {
    Value& wanted = value(id);
    if (wanted.reg != none) return wanted.reg;
    const int reg = take(id);
    if (wanted.stored) {
      code_.load(reg, slot(id));
    } else {
      code_.load(reg, stream(id), masked_);
    }
    return reg;
  }

  // A register for a value: a free one, or that of the value whose next use is furthest away.
  int take(int id) {
    auto free = std::find(holders_.begin(), holders_.end(), -1);
    if (free == holders_.end()) {
      int furthest = -1;
      for (auto holder = holders_.begin(); holder != holders_.end(); ++holder) {
        if (std::count(busy_.begin(), busy_.end(), *holder)) continue;
        const int next = next_use(*holder);
        if (next <= furthest) continue;
        furthest = next;
        free = holder;
      }
      keep(*free);
      value(*free).reg = none;
    }
    *free = id;
    return value(id).reg = static_cast<int>(free - holders_.begin());
  }

  int next_use(int id) {
    const std::vector<int>& uses = value(id).uses;
    const auto next = std::lower_bound(uses.begin(), uses.end(), now_);
    return next == uses.end() ? now_ : *next;
  }

  void keep(int id) {
    if (value(id).stored) return;
    code_.store(slot(id), value(id).reg);
    value(id).stored = true;
  }

  void release(int id) {
    if (value(id).pinned || value(id).reg == none) return;
    holders_[static_cast<size_t>(value(id).reg)] = -1;
    value(id).reg = none;
  }

  static constexpr Register kSaved[] = {rbx, r12, r13, r14, r15};

  const VectorProgram& program_;
  std::vector<Access> accesses_;  // of all streams
  Assembler code_;
  std::vector<Value> values_;
  std::vector<int> holders_;  // the value in each register that is not pinned, or -1
  std::vector<int> busy_;     // values whose registers must stay
  bool calls_ = false, in_registers_ = false, masked_ = false;
  int slots_ = 0;
  size_t frame_ = 0;  // end of the instruction that makes room for the slots
  int now_ = 0;       // the operation being written
};

// GANGLION_COMPILE=0 interprets expressions; tests compare the two.
bool may_compile() {
  const char* const setting = std::getenv("GANGLION_COMPILE");
  return !setting || std::string(setting) != "0";
}

}  // namespace

template <class T>
CompiledExpression<T>::CompiledExpression(std::unique_ptr<MachineCode> code, int lanes)
    : code_(std::move(code)), lanes_(lanes) {
  const void* const entry = code_->entry();
  std::memcpy(&run_, &entry, sizeof run_);
}

template <class T>
std::unique_ptr<CompiledExpression<T>> CompiledExpression<T>::make(const Expression& expression,
                                                                   const std::vector<Access>& accesses) {
  const bool wide = std::string(kernel_isa()) == "avx512";
  if (!may_compile() || !(wide || std::string(kernel_isa()) == "avx2")) return nullptr;

  VectorProgram program;
  // Around each call all values go through memory: from two on a tile at a time is faster.
  if (!lower(expression, kernels<T>().on_vector, &program) || count_calls(program) > 1) {
    return nullptr;
  }
  if (program.streams + program.results.size() > kMaxStreams) return nullptr;
  const std::vector<uint8_t> code = Compiler<T>(program, accesses, wide).compile();
  if (code.empty()) return nullptr;
  auto memory = MachineCode::load(code);
  if (!memory) return nullptr;
  const int lanes = (wide ? 64 : 32) / static_cast<int>(sizeof(T));
  return std::unique_ptr<CompiledExpression>(new CompiledExpression(std::move(memory), lanes));
}

template <class T>
void CompiledExpression<T>::set_columns(Rectangle* rectangle, int64_t columns) const {
  // Ones and zeros that a mask of `count` lanes is read from: of bits for AVX-512, of lanes for AVX2.
  static const struct Masks {
    uint16_t bits[17];
    int64_t ones[8];
    Masks() : ones{-1, -1, -1, -1, 0, 0, 0, 0} {
      for (int count = 0; count <= 16; ++count) bits[count] = static_cast<uint16_t>((1u << count) - 1);
    }
  } masks;
  const int64_t rest = columns & (lanes_ - 1);
  rectangle->whole_bytes = (columns - rest) * static_cast<int64_t>(sizeof(T));
  const bool wide = lanes_ * sizeof(T) == 64;
  const char* const end_of_ones = reinterpret_cast<const char*>(masks.ones + 4);
  const void* const mask = wide ? static_cast<const void*>(masks.bits + rest)
                                : static_cast<const void*>(end_of_ones - rest * static_cast<int64_t>(sizeof(T)));
  rectangle->tail = rest == 0 ? 0 : reinterpret_cast<uint64_t>(mask);
}

template class CompiledExpression<float>;
template class CompiledExpression<double>;

}  // namespace ganglion
