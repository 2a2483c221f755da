// Philox4x32-10: random numbers as a function of a counter (Salmon, Moraes, Dror, Shaw, "Parallel
// random numbers: as easy as 1, 2, 3", SC11). No state, so every engine and every thread can make any part
// of a stream.
//
// Elements 4i ... 4i + 3 of a stream share the counter {i mod 2^32, stream, step mod 2^32,
// (i / 2^32) | (step / 2^32) << 16 | half << 31}: i < 2^48 and step < 2^47. The key is the seed. Word j of half 0
// belongs to element 4i + j; half 1 gives the lower bits that a double has beyond a float.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define GANGLION_HOST_DEVICE __host__ __device__
#else
#define GANGLION_HOST_DEVICE
#endif

namespace ganglion {

struct PhiloxWords {
  uint32_t word[4];
};

// The words of blocks: c = their counters, then the ten rounds. Number is a 64-bit integer or a vector of them,
// whose lower half holds a word; what stands in the upper halves does not matter. multiply(x, m) is the
// product of lower halves. Internal linkage, here and below: each instruction set must compile its own.
template <class Number, class Multiply>
GANGLION_HOST_DEVICE static inline void philox_blocks(Number (&c)[4], Number block, uint32_t stream, uint64_t step,
                                                      uint32_t half, uint64_t key, Multiply multiply) {
  c[0] = block;
  c[1] = Number{} + uint64_t{stream};
  c[2] = Number{} + step;
  c[3] = (block >> 32) | (step >> 32 << 16 | uint64_t{half} << 31);
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const Number product0 = multiply(c[0], 0xD2511F53u), product1 = multiply(c[2], 0xCD9E8D57u);
    c[0] = (product1 >> 32) ^ c[1] ^ uint64_t { key0 };
    c[1] = product1;
    c[2] = (product0 >> 32) ^ c[3] ^ uint64_t { key1 };
    c[3] = product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

GANGLION_HOST_DEVICE static inline PhiloxWords philox(uint64_t block, uint32_t stream, uint64_t step, uint32_t half,
                                                      uint64_t key) {
  uint64_t c[4];
  philox_blocks(c, block, stream, step, half, key,
                [](uint64_t x, uint32_t m) { return uint64_t{static_cast<uint32_t>(x)} * m; });
  return {{static_cast<uint32_t>(c[0]), static_cast<uint32_t>(c[1]), static_cast<uint32_t>(c[2]),
           static_cast<uint32_t>(c[3])}};
}

}  // namespace ganglion
