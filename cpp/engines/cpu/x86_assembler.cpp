#include "engines/cpu/x86_assembler.h"

#include <cstring>

namespace ganglion::x86 {

namespace {

// AVX2's: the lanes of masked instructions, and the outcome of a comparison. AVX-512 has registers k for both.
constexpr int kMaskVector = 15, kComparisonVector = 14;
constexpr int kMask = 1, kComparison = 2;

constexpr int bit(int value, int index) { return (value >> index) & 1; }

}  // namespace

void Assembler::word(int32_t value) {
  uint8_t bytes[4];
  std::memcpy(bytes, &value, sizeof bytes);
  code_.insert(code_.end(), bytes, bytes + 4);
}

// ModRM and what follows it. Addresses always carry a displacement of 4 bytes, so that every base is written alike; a
// vector instruction may shrink one of 0 to a byte, which is never scaled.
void Assembler::operand(int reg, const Operand& third) {
  const int field = (reg & 7) << 3;
  if (third.vector >= 0) return byte(0xC0 | field | (third.vector & 7));
  const Address& address = third.address;
  const bool is_short = address.displacement == 0;
  const int mode = is_short ? 0x40 : 0x80;
  if (address.index == none && (address.base & 7) != rsp) {
    byte(mode | field | (address.base & 7));
  } else {
    const int index = address.index == none ? static_cast<int>(rsp) : address.index & 7;
    byte(mode | field | 4);
    byte(index << 3 | (address.base & 7));
  }
  if (is_short) {
    byte(0);
  } else {
    word(address.displacement);
  }
}

void Assembler::evex(const Opcode& opcode, int reg, int second, const Operand& third, int mask, bool zeroing) {
  const bool in_register = third.vector >= 0;
  const int base = in_register ? third.vector : third.address.base;
  const int index = in_register ? third.vector >> 1 : third.address.index == none ? 0 : third.address.index;  // bit 3
  byte(0x62);
  byte((bit(reg, 3) ^ 1) << 7 | (bit(index, 3) ^ 1) << 6 | (bit(base, 3) ^ 1) << 5 | (bit(reg, 4) ^ 1) << 4 |
       opcode.map);
  byte(opcode.wide_scalar << 7 | (~second & 15) << 3 | 4 | opcode.prefix);
  byte(zeroing << 7 | 2 << 5 | (bit(second, 4) ^ 1) << 3 | mask);
  byte(opcode.byte);
  operand(reg, third);
}

void Assembler::vex(const Opcode& opcode, int reg, int second, const Operand& third, bool whole) {
  const bool in_register = third.vector >= 0;
  const int base = in_register ? third.vector : third.address.base;
  const int index = in_register || third.address.index == none ? 0 : third.address.index;
  byte(0xC4);
  byte((bit(reg, 3) ^ 1) << 7 | (bit(index, 3) ^ 1) << 6 | (bit(base, 3) ^ 1) << 5 | opcode.map);
  byte(opcode.wide_scalar << 7 | (~second & 15) << 3 | whole << 2 | opcode.prefix);
  byte(opcode.byte);
  operand(reg, third);
}

void Assembler::vector(const Opcode& opcode, int reg, int second, const Operand& third, int mask, bool zeroing) {
  if (wide_) {
    evex(opcode, reg, second, third, mask, zeroing);
  } else {
    // The bit W of these instructions says nothing in VEX, or must be 0.
    vex({opcode.map, opcode.prefix, opcode.byte, false}, reg, second, third);
  }
}

void Assembler::load(int to, const Address& from, bool masked) {
  if (masked && !wide_)
    return vex({2, 1, static_cast<uint8_t>(is_double() ? 0x2D : 0x2C), false}, to, kMaskVector, at(from));
  vector(packed(0x10), to, 0, at(from), masked ? kMask : 0, masked);
}

void Assembler::store(const Address& to, int from, bool masked) {
  if (masked && !wide_)
    return vex({2, 1, static_cast<uint8_t>(is_double() ? 0x2F : 0x2E), false}, from, kMaskVector, at(to));
  vector(packed(0x11), from, 0, at(to), masked ? kMask : 0);
}

void Assembler::load_mask(const Address& from) {
  if (wide_) {
    vex({1, 0, 0x90, false}, kMask, 0, at(from), false);  // kmovw
  } else {
    vex({1, 0, 0x10, false}, kMaskVector, 0, at(from));
  }
}

void Assembler::broadcast(int to, const Address& from) {
  vector({2, 1, static_cast<uint8_t>(is_double() ? 0x19 : 0x18), is_double()}, to, 0, at(from));
}

void Assembler::move(int to, int from) { vector(packed(0x28), to, 0, in(from)); }

void Assembler::arithmetic(Arithmetic operation, int to, int a, int b) {
  vector(packed(static_cast<uint8_t>(operation)), to, a, in(b));
}

void Assembler::square_root(int to, int from) { vector(packed(0x51), to, 0, in(from)); }

void Assembler::round_down(int to, int from) {
  vector({3, 1, static_cast<uint8_t>(is_double() ? 0x09 : 0x08), is_double()}, to, 0, in(from));
  byte(0x09);  // towards minus infinity, no exception
}

void Assembler::select(Predicate predicate, int to, int a, int b, int yes, int no) {
  vector(packed(0xC2), wide_ ? kComparison : kComparisonVector, a, in(b));
  byte(static_cast<int>(predicate));
  if (wide_) {
    evex({2, 1, 0x65, is_double()}, to, no, in(yes), kComparison, false);
  } else {
    vex({3, 1, static_cast<uint8_t>(is_double() ? 0x4B : 0x4A), false}, to, no, in(yes));
    byte(kComparisonVector << 4);
  }
}

void Assembler::zero_upper() {
  for (int value : {0xC5, 0xF8, 0x77}) byte(value);
}

void Assembler::integer(uint8_t opcode, int reg, const Address& address) {
  const int index = address.index == none ? 0 : address.index;
  byte(0x48 | bit(reg, 3) << 2 | bit(index, 3) << 1 | bit(address.base, 3));
  byte(opcode);
  operand(reg, at(address));
}

void Assembler::integer(uint8_t opcode, int reg, Register other) {
  byte(0x48 | bit(reg, 3) << 2 | bit(other, 3));
  byte(opcode);
  operand(reg, in(other));
}

void Assembler::set(Register to, uint64_t value) {
  byte(0x48 | bit(to, 3));
  byte(0xB8 | (to & 7));
  word(static_cast<int32_t>(value));
  word(static_cast<int32_t>(value >> 32));
}

void Assembler::set(Register to, Register from) { integer(0x8B, to, from); }
void Assembler::load(Register to, const Address& from) { integer(0x8B, to, from); }
void Assembler::load_address(Register to, const Address& from) { integer(0x8D, to, from); }
void Assembler::store(const Address& to, Register from) { integer(0x89, from, to); }
void Assembler::add(Register to, const Address& from) { integer(0x03, to, from); }
void Assembler::add(const Address& to, Register from) { integer(0x01, from, to); }

void Assembler::add(Register to, int32_t value) {
  integer(0x81, 0, to);
  word(value);
}

void Assembler::set_value(size_t end, int32_t value) {
  std::memcpy(code_.data() + end - sizeof value, &value, sizeof value);
}

void Assembler::bit_and(Register to, int32_t value) {
  integer(0x81, 4, to);
  word(value);
}

void Assembler::clear(Register to) { integer(0x33, to, to); }
void Assembler::decrement(const Address& address) { integer(0xFF, 1, address); }
void Assembler::compare(Register a, const Address& b) { integer(0x3B, a, b); }

void Assembler::compare_with_zero(const Address& address) {
  integer(0x81, 7, address);
  word(0);
}

void Assembler::push(Register from) {
  if (from >= r8) byte(0x41);
  byte(0x50 | (from & 7));
}

void Assembler::pop(Register to) {
  if (to >= r8) byte(0x41);
  byte(0x58 | (to & 7));
}

void Assembler::call(Register function) { integer(0xFF, 2, function); }
void Assembler::leave() { byte(0xC3); }

void Assembler::place(Label& label) {
  label.position = static_cast<int64_t>(code_.size());
  for (size_t jump : label.waiting) {
    const int32_t distance = static_cast<int32_t>(code_.size() - jump - 4);
    std::memcpy(code_.data() + jump, &distance, sizeof distance);
  }
}

void Assembler::jump(uint8_t condition, Label& to) {
  byte(0x0F);
  byte(condition);
  if (to.position < 0) to.waiting.push_back(code_.size());
  word(to.position < 0 ? 0 : static_cast<int32_t>(to.position - static_cast<int64_t>(code_.size()) - 4));
}

void Assembler::jump_if_below(Label& to) { jump(0x82, to); }
void Assembler::jump_if_not_below(Label& to) { jump(0x83, to); }
void Assembler::jump_if_zero(Label& to) { jump(0x84, to); }
void Assembler::jump_if_not_zero(Label& to) { jump(0x85, to); }

}  // namespace ganglion::x86
