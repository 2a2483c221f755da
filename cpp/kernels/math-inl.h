// The functions of elementwise operations on one scalar, without branches, so that a loop over them becomes vector
// code whose every lane, and whose scalar tail, does the same arithmetic. Error, exhaustively over all floats: at most
// 2 units in the last place; in double at most 3.
#pragma once

#include "kernels/polynomials-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

template <class T>
struct Format;

template <>
struct Format<float> {
  using Bits = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float largest = 0x1.fffffep127f, smallest = 0x1p-126f, scale_subnormal = 0x1p23f;
  static constexpr float round = 0x1.8p23f;  // x + round has round(x) in its last bits
  static constexpr float log2_upper = 0x1.62e4p-1f,
                         log2_lower = 0x1.7f7d1cp-20f;  // a product with an exponent is exact
  static constexpr float far = 0x1p64f;                 // brings any power of two that matters among the normal ones
  static constexpr float exp_lowest = -104, exp_highest = 89, expm1_lowest = -18, negligible = 0x1p-25f;
  static constexpr float erf_end = 4, erf_middle = 2.5f, erf_half_width = 1.5f;
};

template <>
struct Format<double> {
  using Bits = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double largest = 0x1.fffffffffffffp1023, smallest = 0x1p-1022, scale_subnormal = 0x1p52;
  static constexpr double round = 0x1.8p52;
  static constexpr double log2_upper = 0x1.62e42feep-1, log2_lower = 0x1.a39ef35793c76p-33;
  static constexpr double far = 0x1p512;
  static constexpr double exp_lowest = -746, exp_highest = 710, expm1_lowest = -38, negligible = 0x1p-54;
  static constexpr double erf_end = 6, erf_middle = 3.5, erf_half_width = 2.5;
};

template <class T>
GANGLION_INLINE typename Format<T>::Bits to_bits(T x) {
  typename Format<T>::Bits bits;
  __builtin_memcpy(&bits, &x, sizeof x);
  return bits;
}
template <class T>
GANGLION_INLINE T from_bits(typename Format<T>::Bits bits) {
  T x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());
template <class T>
constexpr T kNan = static_cast<T>(__builtin_nan(""));

GANGLION_INLINE float square_root(float x) { return __builtin_sqrtf(x); }
GANGLION_INLINE double square_root(double x) { return __builtin_sqrt(x); }
GANGLION_INLINE float round_down(float x) { return __builtin_floorf(x); }
GANGLION_INLINE double round_down(double x) { return __builtin_floor(x); }
GANGLION_INLINE float magnitude(float x) { return __builtin_fabsf(x); }
GANGLION_INLINE double magnitude(double x) { return __builtin_fabs(x); }
GANGLION_INLINE float with_sign_of(float x, float sign) { return __builtin_copysignf(x, sign); }
GANGLION_INLINE double with_sign_of(double x, double sign) { return __builtin_copysign(x, sign); }

// ---- exponentials

// x = n log(2) + r, n whole, |r| <= log(2) / 2, and exp(r).
template <class T>
struct Exponent {
  T n, shifted, r, curve;  // shifted: Format::round + n; curve: exp(r) - 1 - r
  GANGLION_INLINE explicit Exponent(T x) {
    using F = Format<T>;
    shifted = fma(x, static_cast<T>(0x1.71547652b82fep0), F::round);
    n = shifted - F::round;
    r = fma(n, -F::log2_lower, fma(n, -F::log2_upper, x));
    curve = r * r * polynomial(r, Coefficients<T>::exp);
  }
  GANGLION_INLINE T exp_r() const {
    const T sum = 1 + r, lost = r - (sum - 1);
    return sum + (lost + curve);
  }
};

// unit * 2^n for Format::round + n; unit and the result are powers of two.
template <class T>
GANGLION_INLINE T times_power_of_two(T unit, T shifted) {
  return from_bits<T>((to_bits(shifted) << Format<T>::mantissa) + to_bits(unit));
}

template <class T>
GANGLION_INLINE T exp(T x) {
  using F = Format<T>;
  x = x < F::exp_lowest ? F::exp_lowest : x;
  x = x > F::exp_highest ? F::exp_highest : x;
  const Exponent<T> e(x);
  // 2^n as (2^n / away) away: n may lie outside the exponents of normal numbers.
  const bool below = e.n < 0;
  const T away = below ? 1 / F::far : F::far, toward = below ? F::far : 1 / F::far;
  return e.exp_r() * times_power_of_two(toward, e.shifted) * away;
}

// For x <= 0.
template <class T>
GANGLION_INLINE T exp_of_negative(T x) {
  using F = Format<T>;
  const Exponent<T> e(x < F::exp_lowest ? F::exp_lowest : x);
  return e.exp_r() * times_power_of_two(F::far, e.shifted) * (1 / F::far);
}

// Where exp(x) is a normal number.
template <class T>
GANGLION_INLINE T exp_normal(T x) {
  const Exponent<T> e(x);
  return e.exp_r() * times_power_of_two(T{1}, e.shifted);
}

template <class T>
GANGLION_INLINE T expm1(T x) {
  using F = Format<T>;
  T y = x < F::expm1_lowest ? F::expm1_lowest : x;
  y = y > F::exp_highest ? F::exp_highest : y;
  const Exponent<T> e(y);
  // (2^n (expm1(r) + 1) - 1) / 2, as 2^n itself may overflow.
  const T scale = times_power_of_two(static_cast<T>(0.5), e.shifted);
  const T expm1_r = e.r + e.curve;
  const T half = fma(scale, expm1_r, scale - static_cast<T>(0.5));
  const T result = e.n == 0 ? expm1_r : half + half;
  return magnitude(x) < F::negligible ? x : result;
}

// ---- logarithms

// x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for normal x > 0.
template <class T>
struct Fraction {
  T e, f;
  GANGLION_INLINE explicit Fraction(T x) {
    using F = Format<T>;
    const auto one = to_bits(T{1}), low = to_bits(static_cast<T>(0x1.6a09e667f3bcdp-1));
    const auto whole = to_bits(static_cast<T>(typename F::Bits{1} << F::mantissa));  // its last bits count ones
    const auto shifted = to_bits(x) + (one - low);
    e = from_bits<T>((shifted >> F::mantissa) | whole) - (from_bits<T>(whole) + F::bias);
    f = from_bits<T>((shifted & ((typename F::Bits{1} << F::mantissa) - 1)) + low) - 1;
  }
};

// e log(2) + log(1 + f) + correction
template <class T>
GANGLION_INLINE T log_of_fraction(T e, T f, T correction) {
  using F = Format<T>;
  const T s = f / (2 + f), z = s * s, half_square = static_cast<T>(0.5) * f * f;
  const T rest = z * polynomial(z, Coefficients<T>::log);
  const T small = s * (half_square + rest) + (e * F::log2_lower + correction);
  return e * F::log2_upper - ((half_square - small) - f);
}

template <class T>
GANGLION_INLINE T log(T x) {
  using F = Format<T>;
  const bool subnormal = x < F::smallest;
  const Fraction<T> y(subnormal ? x * F::scale_subnormal : x);
  const T result = log_of_fraction(subnormal ? y.e - F::mantissa : y.e, y.f, T{0});
  const T beyond = x == 0 ? -kInfinity<T> : kNan<T>;
  return x > 0 ? (x < kInfinity<T> ? result : x) : beyond;
}

template <class T>
GANGLION_INLINE T log1p(T x) {
  const T u = 1 + x;
  const T v = u - 1, lost = (1 - (u - v)) + (x - v);  // 1 + x = u + lost
  const Fraction<T> y(u);
  const bool whole = y.e == 0;
  const T result = log_of_fraction(y.e, whole ? x : y.f, whole ? T{0} : lost / u);
  const T beyond = x == -1 ? -kInfinity<T> : kNan<T>;
  const T inside = magnitude(x) < Format<T>::negligible ? x : result;
  return x > -1 ? (x < kInfinity<T> ? inside : x) : beyond;
}

// ---- built from them

template <class T>
GANGLION_INLINE T tanh(T x) {
  const T a = magnitude(x), z = x * x;
  const T small = fma(a * z, polynomial(z, Coefficients<T>::tanh), a);
  const T large = 1 - 2 / (exp_normal(a > 20 ? T{40} : a + a) + 1);
  return with_sign_of(a < static_cast<T>(0.55) ? small : large, x);
}

// 1 + e = u + lost for 0 <= e <= 1; lost / u to the few digits that matter.
template <class T>
struct OnePlus {
  T u, lost_share;
  GANGLION_INLINE explicit OnePlus(T e) {
    u = 1 + e;
    lost_share = (e - (u - 1)) * fma(static_cast<T>(-0.5), u, static_cast<T>(1.5));
  }
};

template <class T>
GANGLION_INLINE T sigmoid(T x) {
  const T e = exp_of_negative(-magnitude(x));
  const OnePlus<T> sum(e);
  const T quotient = (x < 0 ? e : T{1}) / sum.u;
  return fma(-quotient, sum.lost_share, quotient);
}

template <class T>
GANGLION_INLINE T softplus(T x) {
  const T e = exp_of_negative(-magnitude(x));
  const OnePlus<T> sum(e);
  const bool upper = sum.u > static_cast<T>(1.4142135);
  const T f = upper ? static_cast<T>(0.5) * sum.u - 1 : e;
  const T log1p_e = log_of_fraction(upper ? T{1} : T{0}, f, upper ? sum.lost_share : T{0});
  return (x > 0 ? x : T{0}) + log1p_e;
}

template <class T>
GANGLION_INLINE T erf(T x) {
  using F = Format<T>;
  const T z = x * x;
  const T small = fma(x, polynomial(z, Coefficients<T>::erf), x);
  const T a = magnitude(x) > F::erf_end ? F::erf_end : magnitude(x);
  const T t = (a - F::erf_middle) * (1 / F::erf_half_width);
  const T large = 1 - exp_normal(-a * a) * polynomial(t, Coefficients<T>::erfc);
  return a < 1 ? small : with_sign_of(large, x);
}

// exp(y log(x)) for x > 0: in double, where that serves a float; for doubles the error grows with |y log(x)|.
template <class T>
GANGLION_INLINE T power(T x, T y) {
  const double a = magnitude(x), b = y;
  const T positive = static_cast<T>(exp(b * log(a)));
  const bool whole = round_down(y) == y, odd = whole && 2 * round_down(y / 2) != y;
  const bool finite_negative = x < 0 && x >= -Format<T>::largest;
  const T result = odd ? with_sign_of(positive, x) : finite_negative && !whole ? kNan<T> : positive;
  return y == 0 || x == 1 || (x == -1 && magnitude(y) == kInfinity<T>) ? T{1} : result;
}

// ---- turns

// Sine and cosine of pi x, 0 <= x <= 2: x is whole halves and t, |t| <= 1/4.
template <class T>
struct HalfTurns {
  T sine, cosine;
  GANGLION_INLINE explicit HalfTurns(T x) {
    const T half = static_cast<T>(0.5), quarter = round_down(fma(x, T{2}, half));
    const T t = fma(quarter, -half, x), turn = half * t, z = turn * turn;
    const T s = t * (half * polynomial(z, Coefficients<T>::sin)), c = fma(z, polynomial(z, Coefficients<T>::cos), T{1});
    const bool first = quarter == 1, second = quarter == 2, third = quarter == 3;
    const T across = first | third ? s : c, up = first | third ? c : s;
    cosine = first | second ? -across : across;
    sine = second | third ? -up : up;
  }
};

// sin(pi x) and cos(pi x), exact about every multiple of 1/2 however large: |x| less whole turns is exact.
template <class T>
GANGLION_INLINE T without_turns(T x) {
  const T size = magnitude(x);
  return size - 2 * round_down(static_cast<T>(0.5) * size);
}
template <class T>
GANGLION_INLINE T sinpi(T x) {
  return HalfTurns<T>(without_turns(x)).sine * with_sign_of(T{1}, x);
}
template <class T>
GANGLION_INLINE T cospi(T x) {
  return HalfTurns<T>(without_turns(x)).cosine;
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
