// Rows of a user's array, of any real type and strides, as contiguous scalars.
#pragma once

#include <type_traits>

#include "kernels/elementwise-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

struct Half {
  uint16_t bits;
};
struct Boolean {
  uint8_t value;
};

// Half: its exponent and fraction, moved into a float's, are 2^112 times too small; subnormals come out right too.
template <class T>
GANGLION_INLINE T convert(Half x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16, rest = static_cast<uint32_t>(x.bits & 0x7fff)
                                                                             << 13;
  const float scaled = from_bits<float>(rest) * 0x1p112f;
  const uint32_t value = rest >= 0x0f800000u ? rest | 0x7f800000u : to_bits(scaled);
  return static_cast<T>(from_bits<float>(value | sign));
}
template <class T>
GANGLION_INLINE T convert(Boolean x) {
  return x.value != 0 ? T{1} : T{0};
}
template <class T, class S>
GANGLION_INLINE T convert(S x) {
  return static_cast<T>(x);
}

// Arrays of users need not be aligned.
template <class S>
GANGLION_INLINE S read(const char* from) {
  S x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}

// count values, contiguous on both sides, of which the source may be unaligned.
template <class T, class S>
GANGLION_INLINE void convert_run(T* out, const char* from, int64_t count) {
  if constexpr (std::is_same_v<T, S>) {
    const T* const x = reinterpret_cast<const T*>(from);  // vectors are loaded from any address
    int64_t i = 0;
    for (; i + Simd<T>::lanes <= count; i += Simd<T>::lanes) store(out + i, load(x + i));
    if (i < count) store_first(out + i, load_first(x + i, static_cast<int>(count - i)), static_cast<int>(count - i));
  } else {
    GANGLION_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) out[i] = convert<T>(read<S>(from + i * static_cast<int64_t>(sizeof(S))));
  }
}

// One sample: the dimensions from `axis` on. Those from `flat` on are contiguous, `flat_size` values.
template <class T, class S>
T* gather_sample(T* out, const char* from, const GatherSource& source, int axis, int flat, int64_t flat_size) {
  if (axis == flat) {
    convert_run<T, S>(out, from, flat_size);
    return out + flat_size;
  }
  const int64_t extent = source.extents[axis], stride = source.strides[axis];
  if (axis == source.rank - 1) {
    for (int64_t i = 0; i < extent; ++i) out[i] = convert<T>(read<S>(from + i * stride));
    return out + extent;
  }
  for (int64_t i = 0; i < extent; ++i) {
    out = gather_sample<T, S>(out, from + i * stride, source, axis + 1, flat, flat_size);
  }
  return out;
}

template <class T, class S>
void gather_as(T* out, const GatherSource& source, const int64_t* rows, int64_t first, int64_t count) {
  int flat = source.rank;
  int64_t flat_size = 1;
  while (flat > 0 && source.strides[flat - 1] == flat_size * static_cast<int64_t>(sizeof(S))) {
    flat_size *= source.extents[--flat];
  }
  const char* const data = static_cast<const char*>(source.data);
  for (int64_t i = 0; i < count; ++i) {
    const char* const from = data + (rows ? rows[i] : first + i) * source.row_stride;
    if (rows && i + 1 < count) {
      // The next sample lies anywhere: ask for its first page while this one is copied.
      const char* const next = data + rows[i + 1] * source.row_stride;
      const int64_t bytes = smaller(flat_size * static_cast<int64_t>(sizeof(S)), 4096);
      for (int64_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(next + byte);
    }
    if (flat == 0) {
      convert_run<T, S>(out, from, flat_size);
      out += flat_size;
    } else {
      out = gather_sample<T, S>(out, from, source, 0, flat, flat_size);
    }
  }
}

// f(S{}) for the C++ type S of a user's numbers.
template <class Function>
void with_number(DataType type, Function&& f) {
  switch (type) {
    case DataType::u8:
      return f(uint8_t{});
    case DataType::i8:
      return f(int8_t{});
    case DataType::u16:
      return f(uint16_t{});
    case DataType::i16:
      return f(int16_t{});
    case DataType::u32:
      return f(uint32_t{});
    case DataType::i32:
      return f(int32_t{});
    case DataType::u64:
      return f(uint64_t{});
    case DataType::i64:
      return f(int64_t{});
    case DataType::f16:
      return f(Half{});
    case DataType::f32:
      return f(float{});
    case DataType::f64:
      return f(double{});
    case DataType::boolean:
      return f(Boolean{});
  }
}

template <class T>
void gather(T* out, const GatherSource& source, const int64_t* rows, int64_t first, int64_t count) {
  with_number(source.type, [&](auto number) { gather_as<T, decltype(number)>(out, source, rows, first, count); });
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
