// Channels that are worked on at once.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// A whole vector of them, or the last ones.
template <class T>
struct WholeVector {
  static GANGLION_INLINE Vector<T> load(const T* from) { return GANGLION_ISA::load(from); }
  static GANGLION_INLINE void store(T* to, Vector<T> x) { GANGLION_ISA::store(to, x); }
};
template <class T>
struct PartOfVector {
  int count;
  GANGLION_INLINE Vector<T> load(const T* from) const { return load_first(from, count); }
  GANGLION_INLINE void store(T* to, Vector<T> x) const { store_first(to, x, count); }
};

// visit(first channel, a WholeVector or a PartOfVector)
template <class T, class Visit>
GANGLION_INLINE void each_vector(int64_t channels, Visit visit) {
  int64_t c = 0;
  for (; c + Simd<T>::lanes <= channels; c += Simd<T>::lanes) visit(c, WholeVector<T>{});
  if (c < channels) visit(c, PartOfVector<T>{static_cast<int>(channels - c)});
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
