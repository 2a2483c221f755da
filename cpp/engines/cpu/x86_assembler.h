// Machine code of x86-64: the few instructions that loops over vectors are made of. One Assembler writes for one
// instruction set (AVX2, or AVX-512 with 32 registers of 64 bytes) and one scalar type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ganglion::x86 {

enum Register : int { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, none = -1 };

// base + index + displacement, in bytes.
struct Address {
  Register base;
  Register index = none;
  int32_t displacement = 0;
};

// Instructions of two vectors, by the byte that names them. maximum(a, b) is a > b ? a : b.
enum class Arithmetic : uint8_t {
  add = 0x58,
  multiply = 0x59,
  subtract = 0x5C,
  maximum = 0x5F,
  divide = 0x5E,
  bit_and = 0x54,
  bit_xor = 0x57
};

// Comparisons that raise no exception; all but not_equal are false for NaN.
enum class Predicate : uint8_t {
  equal = 0,
  not_equal = 4,
  less = 0x11,
  less_equal = 0x12,
  greater_equal = 0x1D,
  greater = 0x1E
};

// A place that jumps go to.
struct Label {
  int64_t position = -1;        // -1 until it is known
  std::vector<size_t> waiting;  // jumps written before
};

class Assembler {
 public:
  // `wide`: AVX-512 instead of AVX2.
  Assembler(bool wide, int scalar_bytes) : wide_(wide), scalar_bytes_(scalar_bytes) {}

  const std::vector<uint8_t>& code() const { return code_; }
  int vector_bytes() const { return wide_ ? 64 : 32; }

  // Vectors, numbered from 0. The masked ones touch the lanes chosen by load_mask alone; load sets the others to 0.
  void load(int to, const Address& from, bool masked = false);
  void store(const Address& to, int from, bool masked = false);
  void load_mask(const Address& from);  // AVX-512: the address of a bit a lane; AVX2: of a vector, a sign bit a lane
  void broadcast(int to, const Address& from);
  void move(int to, int from);
  void arithmetic(Arithmetic operation, int to, int a, int b);
  void square_root(int to, int from);
  void round_down(int to, int from);
  // to = predicate(a, b) ? yes : no
  void select(Predicate predicate, int to, int a, int b, int yes, int no);
  void zero_upper();
  // How many of the vectors are for the caller: with AVX2 the last two hold the mask and a comparison.
  int registers() const { return wide_ ? 32 : 14; }

  // Integers of 64 bits.
  void set(Register to, uint64_t value);
  void set(Register to, Register from);
  void load(Register to, const Address& from);
  void load_address(Register to, const Address& from);
  void store(const Address& to, Register from);
  void add(Register to, const Address& from);
  void add(const Address& to, Register from);
  void add(Register to, int32_t value);
  void set_value(size_t end, int32_t value);  // of the instruction that ends there
  void bit_and(Register to, int32_t value);
  void clear(Register to);
  void decrement(const Address& at);  // sets the condition of jump_if_not_zero
  void compare(Register a, const Address& b);
  void compare_with_zero(const Address& at);
  void push(Register from);
  void pop(Register to);
  void call(Register function);
  void leave();  // returns to the caller

  void place(Label& label);
  void jump_if_below(Label& to);
  void jump_if_not_below(Label& to);
  void jump_if_zero(Label& to);
  void jump_if_not_zero(Label& to);

 private:
  // What an instruction names last: a vector or a place in memory.
  struct Operand {
    int vector = none;
    Address address{none};
  };
  struct Opcode {
    int map;     // 1: 0F, 2: 0F38, 3: 0F3A
    int prefix;  // 0: none, 1: 66
    uint8_t byte;
    bool wide_scalar;  // the bit W
  };
  static Operand in(int vector) { return {vector, Address{none}}; }
  static Operand at(const Address& address) { return {none, address}; }

  bool is_double() const { return scalar_bytes_ == 8; }
  Opcode packed(uint8_t byte) const { return {1, is_double(), byte, is_double()}; }
  void byte(int value) { code_.push_back(static_cast<uint8_t>(value)); }
  void word(int32_t value);
  void vector(const Opcode& opcode, int reg, int second, const Operand& third, int mask = 0, bool zeroing = false);
  void evex(const Opcode& opcode, int reg, int second, const Operand& third, int mask, bool zeroing);
  void vex(const Opcode& opcode, int reg, int second, const Operand& third, bool whole = true);
  void operand(int reg, const Operand& third);
  void integer(uint8_t byte, int reg, const Address& address);
  void integer(uint8_t byte, int reg, Register other);
  void jump(uint8_t condition, Label& to);

  bool wide_;
  int scalar_bytes_;
  std::vector<uint8_t> code_;
};

}  // namespace ganglion::x86
