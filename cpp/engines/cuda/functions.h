// The elementwise functions on the device, by the names of their opcodes, and random numbers.
#pragma once

#include <cmath>
#include <limits>

#include "core/philox.h"
#include "engines/cuda/kernel.h"

namespace ganglion::cuda {

GANGLION_DEVICE float sine_of_pi(float x) { return sinpif(x); }
GANGLION_DEVICE double sine_of_pi(double x) { return sinpi(x); }
GANGLION_DEVICE float cosine_of_pi(float x) { return cospif(x); }
GANGLION_DEVICE double cosine_of_pi(double x) { return cospi(x); }
GANGLION_DEVICE float largest(float) { return 3.402823466e+38f; }
GANGLION_DEVICE double largest(double) { return 1.7976931348623157e+308; }
GANGLION_DEVICE float not_a_number(float) { return nanf(""); }
GANGLION_DEVICE double not_a_number(double) { return nan(""); }

template <class T>
struct Functions {
  static GANGLION_DEVICE T negative(T a) { return -a; }
  static GANGLION_DEVICE T absolute(T a) { return std::fabs(a); }
  static GANGLION_DEVICE T sign(T a) { return a > 0 ? T{1} : a < 0 ? T{-1} : a; }
  static GANGLION_DEVICE T floor(T a) { return std::floor(a); }
  static GANGLION_DEVICE T square(T a) { return a * a; }
  static GANGLION_DEVICE T sqrt(T a) { return std::sqrt(a); }
  static GANGLION_DEVICE T rsqrt(T a) { return 1 / std::sqrt(a); }
  static GANGLION_DEVICE T reciprocal(T a) { return 1 / a; }
  static GANGLION_DEVICE T exp(T a) { return std::exp(a); }
  static GANGLION_DEVICE T expm1(T a) { return std::expm1(a); }
  static GANGLION_DEVICE T log(T a) { return std::log(a); }
  static GANGLION_DEVICE T log1p(T a) { return std::log1p(a); }
  static GANGLION_DEVICE T tanh(T a) { return std::tanh(a); }
  static GANGLION_DEVICE T sigmoid(T a) { return 1 / (1 + std::exp(-a)); }
  static GANGLION_DEVICE T softplus(T a) { return (a < 0 ? T{0} : a) + std::log1p(std::exp(-std::fabs(a))); }
  static GANGLION_DEVICE T erf(T a) { return std::erf(a); }
  static GANGLION_DEVICE T sinpi(T a) { return sine_of_pi(a); }
  static GANGLION_DEVICE T cospi(T a) { return cosine_of_pi(a); }
  static GANGLION_DEVICE T relu(T a) { return a < 0 ? T{0} : a; }
  static GANGLION_DEVICE T is_finite(T a) { return std::fabs(a) <= largest(a) ? T{1} : T{0}; }
  static GANGLION_DEVICE T add(T a, T b) { return a + b; }
  static GANGLION_DEVICE T subtract(T a, T b) { return a - b; }
  static GANGLION_DEVICE T multiply(T a, T b) { return a * b; }
  static GANGLION_DEVICE T divide(T a, T b) { return a / b; }
  static GANGLION_DEVICE T power(T a, T b) { return std::pow(a, b); }
  // NaN where either operand is.
  static GANGLION_DEVICE T maximum(T a, T b) { return a > b ? a : (a == a ? b : a); }
  static GANGLION_DEVICE T minimum(T a, T b) { return a < b ? a : (a == a ? b : a); }
  static GANGLION_DEVICE T greater(T a, T b) { return a > b ? T{1} : T{0}; }
  static GANGLION_DEVICE T greater_equal(T a, T b) { return a >= b ? T{1} : T{0}; }
  static GANGLION_DEVICE T equal(T a, T b) { return a == b ? T{1} : T{0}; }
  static GANGLION_DEVICE T where(T a, T b, T c) { return a != 0 ? b : c; }
};

// The numbers of four elements, 4 block ... 4 block + 3: the same as on the CPU, see core/philox.h. Those of a float
// are 24 bits, of a double 53.
template <class T>
struct RandomBlock;

template <>
struct RandomBlock<float> {
  PhiloxWords words;
  GANGLION_DEVICE RandomBlock(uint64_t block, uint32_t stream, const Control& control)
      : words(philox(block, stream, control.step, 0, control.seed)) {}
  GANGLION_DEVICE float uniform(int word) const { return static_cast<float>(words.word[word] >> 8) * 0x1p-24f; }
  // In (0, 1].
  GANGLION_DEVICE float positive(int word) const {
    return std::fma(static_cast<float>(static_cast<int32_t>(words.word[word] >> 1)), 0x1p-31f, 0x1p-32f);
  }
};

template <>
struct RandomBlock<double> {
  PhiloxWords upper, lower;
  GANGLION_DEVICE RandomBlock(uint64_t block, uint32_t stream, const Control& control)
      : upper(philox(block, stream, control.step, 0, control.seed)),
        lower(philox(block, stream, control.step, 1, control.seed)) {}
  GANGLION_DEVICE double uniform(int word) const {
    return static_cast<double>(upper.word[word]) * 0x1p-32 + static_cast<double>(lower.word[word] >> 11) * 0x1p-53;
  }
  GANGLION_DEVICE double positive(int word) const { return uniform(word) + 0x1p-54; }
};

// By Box and Muller: a pair of words gives a pair of numbers.
template <class T>
GANGLION_DEVICE T normal_number(const RandomBlock<T>& block, int word) {
  const int pair = word & 2;
  const T radius = std::sqrt(-2 * std::log(block.positive(pair))), half_turns = 2 * block.uniform(pair + 1);
  return radius * (word & 1 ? sine_of_pi(half_turns) : cosine_of_pi(half_turns));
}

}  // namespace ganglion::cuda
