// Random numbers as a function of (seed, stream, step, element): see core/philox.h.
#pragma once

#include "core/philox.h"
#include "kernels/math-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

constexpr int kRandomBlocks = 64;  // counters made at a time; four elements each

struct RandomWords {
  uint32_t word[4][kRandomBlocks];
  RandomWords(const RandomKey& key, uint64_t first_block, uint32_t half) {
    constexpr int lanes = kVectorBytes / 8;
    typedef uint32_t Words __attribute__((vector_size(kVectorBytes / 2)));
    Numbers block;
    for (int lane = 0; lane < lanes; ++lane) block[lane] = first_block + static_cast<uint64_t>(lane);
    for (int i = 0; i < kRandomBlocks; i += lanes, block += uint64_t{lanes}) {
      Numbers counter[4];
      philox_blocks(counter, block, key.stream, key.step, half, key.seed,
                    [](Numbers x, uint32_t m) { return multiply_lower(x, m); });
      for (int j = 0; j < 4; ++j) {
        const Words words = __builtin_convertvector(counter[j], Words);
        __builtin_memcpy(word[j] + i, &words, sizeof words);
      }
    }
  }
};

// Words as numbers. A double has the bits of the float, and those of the other half after them, so
// that both precisions drop the same units.
template <class T>
struct RandomFractions;

template <>
struct RandomFractions<float> {
  RandomWords words;
  RandomFractions(const RandomKey& key, uint64_t first_block) : words(key, first_block, 0) {}
  // In [0, 1), 24 bits.
  GANGLION_INLINE float uniform(int word, int i) const {
    return static_cast<float>(static_cast<int32_t>(words.word[word][i] >> 8)) * 0x1p-24f;
  }
  // In (0, 1], also for the smallest values with all bits of a float.
  GANGLION_INLINE float positive(int word, int i) const {
    return fma(static_cast<float>(static_cast<int32_t>(words.word[word][i] >> 1)), 0x1p-31f, 0x1p-32f);
  }
};

template <>
struct RandomFractions<double> {
  RandomWords upper, lower;
  RandomFractions(const RandomKey& key, uint64_t first_block)
      : upper(key, first_block, 0), lower(key, first_block, 1) {}
  // In [0, 1), 53 bits: 32 and 21.
  GANGLION_INLINE double uniform(int word, int i) const {
    const double high = static_cast<double>(static_cast<int32_t>(upper.word[word][i] ^ 0x80000000u)) + 0x1p31;
    return high * 0x1p-32 + static_cast<double>(static_cast<int32_t>(lower.word[word][i] >> 11)) * 0x1p-53;
  }
  GANGLION_INLINE double positive(int word, int i) const { return uniform(word, i) + 0x1p-54; }
};

// Elements by word; element 4i + j is value[j][i].
template <class T>
struct RandomChunk {
  T value[4][kRandomBlocks];
};

template <class T>
void uniform_chunk(RandomChunk<T>& chunk, const RandomKey& key, uint64_t first_block) {
  const RandomFractions<T> fractions(key, first_block);
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < kRandomBlocks; ++i) chunk.value[j][i] = fractions.uniform(j, i);
  }
}

// Box and Muller: a pair of words gives a pair of normals, sqrt(-2 log(u)) (cos, sin)(2 pi v).
template <class T>
void normal_chunk(RandomChunk<T>& chunk, const RandomKey& key, uint64_t first_block) {
  const RandomFractions<T> fractions(key, first_block);
  for (int pair = 0; pair < 4; pair += 2) {
    for (int i = 0; i < kRandomBlocks; ++i) {
      const T radius = square_root(-2 * log(fractions.positive(pair, i)));
      const HalfTurns<T> angle(2 * fractions.uniform(pair + 1, i));
      chunk.value[pair][i] = radius * angle.cosine;
      chunk.value[pair + 1][i] = radius * angle.sine;
    }
  }
}

template <class T, void (*make_chunk)(RandomChunk<T>&, const RandomKey&, uint64_t)>
void random(T* out, const RandomKey& key, int64_t first, int64_t count) {
  RandomChunk<T> chunk;
  T in_order[4 * kRandomBlocks];
  while (count > 0) {
    const int64_t skipped = first % 4, taken = smaller(count, 4 * kRandomBlocks - skipped);
    make_chunk(chunk, key, static_cast<uint64_t>(first / 4));
    for (int i = 0; i < kRandomBlocks; ++i) {
      for (int j = 0; j < 4; ++j) in_order[4 * i + j] = chunk.value[j][i];
    }
    __builtin_memcpy(out, in_order + skipped, static_cast<size_t>(taken) * sizeof(T));
    out += taken;
    first += taken;
    count -= taken;
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
